"""Semi-supervised VOS: each object is told of once, where it first appears, and then followed.

By the rules of DAVIS-2017 the first and the last annotated frame are not scored. An object that
appears later is told of in its first annotated frame and scored after that, as in YouTube-VOS.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.annotator import box_of, corrective_click, first_click
from sam2_rt.data.labelled_video import LabelledVideo
from sam2_rt.eval.follower import Begin, Follower, Masks, Picture
from sam2_rt.eval.metrics import Tally
from sam2_rt.tracking.prompt import Prompt

Mask = NDArray[np.bool_]


class Told(StrEnum):
    """What is said of an object in its first frame."""

    MASK = "mask"
    BOX = "box"
    CLICK = "click"
    CLICKS3 = "clicks3"
    CLICKS5 = "clicks5"

    @property
    def corrections(self) -> int:
        """Clicks that follow the first answer, each in the middle of the largest error."""
        return {Told.CLICKS3: 2, Told.CLICKS5: 4}.get(self, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known of one annotated frame."""

    masks: Masks
    """[K, H, W]"""
    ignored: Mask | None
    """[H, W]; None: all is known"""

    @classmethod
    def of(cls, video: LabelledVideo, index: int) -> "Truth":
        """Objects in the order of video.object_ids; pixels that are ignored belong to none."""
        by_id = video.masks(index)
        masks = np.stack([by_id[object_id] for object_id in video.object_ids])
        ignored = video.ignored(index)
        return cls(masks if ignored is None else masks & ~ignored, ignored)

    def known(self, masks: Masks) -> Masks:
        """Masks [K, H, W] without the pixels of which nobody knows."""
        return masks if self.ignored is None else masks & ~self.ignored


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a follower made of one frame."""

    index: int
    """Of the frame in its video."""
    rgb: Picture
    masks: Masks
    """[K, H, W]"""
    truth: Truth | None
    """None: the frame is not annotated."""
    begun: frozenset[int]
    """Rows of the objects that were told of here."""


Watch = Callable[[Found], None]
"""Is shown each frame as it was found."""


@dataclass(frozen=True, slots=True)
class ObjectScore:
    """How well one object was followed."""

    video: str
    object_id: int
    j: float
    f: float
    num_frames: int
    """That were scored."""

    @property
    def jf(self) -> float:
        """J&F: the mean of both, 0..1"""
        return (self.j + self.f) / 2


@dataclass(frozen=True, slots=True)
class VideoScore:
    """How well the objects of one video were followed."""

    video: str
    objects: tuple[ObjectScore, ...]
    unscored: tuple[int, ...]
    """Ids of the objects with no frame to be scored in: seen too late, or too few annotations."""
    num_frames: int
    """That the follower was given."""


def follow(
    video: LabelledVideo, follower: Follower, told: Told, indices: Collection[int] | None = None
) -> Iterator[Found]:
    """Steps through a video from its first annotated frame to its last.

    `indices` are the frames that arrive; None: all. Each object is told of in the first annotated
    frame that arrives and shows it.
    """
    annotated = set(video.annotated)
    if not annotated:
        return
    known: set[int] = set()
    for index in range(min(annotated), max(annotated) + 1):
        if indices is not None and index not in indices:
            continue
        rgb = video.frame(index)
        truth = Truth.of(video, index) if index in annotated else None
        begun = () if truth is None else newcomers(truth.masks, known)
        known |= set(begun)
        masks = tell(follower, rgb, truth, begun, told) if truth else follower.step(rgb, ())
        yield Found(index, rgb, masks, truth, frozenset(begun))


def tell(follower: Follower, rgb: Picture, truth: Truth, rows: Iterable[int], told: Told) -> Masks:
    """One step in which the objects of some rows, all of them seen, are told of."""
    rows = tuple(rows)
    masks = follower.step(rgb, [first_prompt(row, truth.masks[row], told) for row in rows])
    for _ in range(told.corrections):
        corrections = correct_all(truth, masks, rows)
        if not corrections:
            break
        masks = follower.correct(corrections)
    return masks


def first_prompt(row: int, mask: Mask, told: Told) -> Prompt:
    """What is said first of the object of a row, whose mask [H, W] is not empty."""
    if told is Told.MASK:
        return Prompt(row + 1, mask=mask)
    if told is Told.BOX:
        return Prompt(row + 1, box=box_of(mask))
    return Prompt(row + 1, points=(first_click(mask),))


def correct_all(truth: Truth, masks: Masks, rows: Iterable[int]) -> list[Prompt]:
    """A corrective click for each object of some rows whose mask is not yet right."""
    known = truth.known(masks)
    clicks = {row: corrective_click(truth.masks[row], known[row]) for row in rows}
    return [Prompt(row + 1, points=(click,)) for row, click in clicks.items() if click]


def newcomers(masks: Masks, known: Collection[int]) -> tuple[int, ...]:
    """Rows of the objects that are seen in masks [K, H, W] and are not known yet."""
    return tuple(row for row, m in enumerate(masks) if row not in known and m.any())


def score_video(
    video: LabelledVideo, begin: Begin, told: Told = Told.MASK, watch: Watch = lambda _: None
) -> VideoScore:
    """Follows every object of a video and scores it; each frame is shown to `watch` on the way."""
    scorer = Scorer(video)
    follower = begin(len(video.object_ids))
    num_frames = 0
    for found in follow(video, follower, told):
        num_frames += 1
        scorer.add(found)
        watch(found)
    return VideoScore(video.name, *scorer.scores(), num_frames)


class Scorer:
    """Scores the frames of one video as they come."""

    def __init__(self, video: LabelledVideo) -> None:
        self._video = video
        self._ids: Sequence[int] = video.object_ids
        self._last = max(video.annotated, default=0)
        self._tallies: dict[int, Tally] = {}  # row -> of an object that was told of

    def add(self, found: Found) -> None:
        """Judges one frame; those that do not count are passed over."""
        if found.truth is not None and found.index < self._last:
            masks = found.truth.known(found.masks)
            for row, tally in self._tallies.items():
                tally.add(found.truth.masks[row], masks[row])
        self._tallies |= {row: Tally() for row in found.begun}

    def scores(self) -> tuple[tuple[ObjectScore, ...], tuple[int, ...]]:
        """Of the objects that were scored; and the ids of the others."""
        scored = []
        for row, tally in sorted(self._tallies.items()):
            if tally.js:
                j, f = tally.mean()
                scored.append(ObjectScore(self._video.name, self._ids[row], j, f, len(tally.js)))
        with_score = {score.object_id for score in scored}
        return tuple(scored), tuple(n for n in self._ids if n not in with_score)
