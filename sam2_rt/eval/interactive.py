"""Promptable video segmentation: a user who corrects a few frames, three clicks in each.

Offline the user sees the whole video, clicks in the frame with the worst mask and looks again:
one pass more for each frame. Passes go forward, as a stream does: each plays again all clicks so
far, in their frames, so a click changes its own frame and those after it. As an option it also
reaches back, as in the published evaluation: see reach_back(). Online there is one pass: the user
stops wherever IoU is below 0.75, as long as there are frames left to click in.

Scored over all annotated frames from an object's first on, those that were clicked in too: it is
what the user ends up with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from sam2_rt.data.labelled_video import LabelledVideo
from sam2_rt.eval.follower import AS_PUBLISHED, Begin, Follower, Masks
from sam2_rt.eval.metrics import boundary_accuracy, region_similarity
from sam2_rt.eval.vos import Found, Mask, Truth, Watch, correct_all, newcomers
from sam2_rt.tracking.prompt import Prompt
from sam2_rt.tracking.tracker import TrackerConfig

MAX_FRAMES: Final = 8
"""That a user clicks in, of each object."""
CLICKS: Final = 3
"""In each of them."""
GOOD_IOU: Final = 0.75
"""Below it the user of a stream stops to click."""

REMEMBERS_ALL: Final[TrackerConfig] = replace(AS_PUBLISHED, max_conditioning=MAX_FRAMES)
"""No clicked frame is forgotten, as in the published evaluation."""

Script = dict[int, list[Prompt]]
"""What was said in each frame, in order."""

Pause = Callable[[int, int, float], bool]
"""Whether the user clicks, given an object's row, the frame's index, and the IoU found there."""


Chosen = dict[int, int | None]
"""Row -> the frame that is to be mended next."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One object's quality by the number of frames that were clicked in: 1, 2 ... 8."""

    video: str
    object_id: int
    iou: tuple[float, ...]
    """Mean J."""
    jf: tuple[float, ...]
    """Mean J&F."""


@dataclass(slots=True)
class Track:
    """One object in one pass."""

    clicked: list[int] = field(default_factory=list)
    """Frames that the user clicked in, also in passes before."""
    quality: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Annotated frame -> J and F of the pass."""
    mended: dict[int, Mask] = field(default_factory=dict)
    """Frame that was clicked in -> the mask [H, W] that it ended up with."""

    def is_nearer_behind(self, index: int) -> bool:
        """Whether the clicked frame that is nearest to this one comes after it, and has a mask."""
        before = [index - clicked for clicked in self.clicked if clicked <= index]
        behind = [
            frame - index for frame, mask in self.mended.items() if frame > index and mask.any()
        ]
        return bool(before and behind) and min(behind) < min(before)

    def worst(self) -> int | None:
        """The frame with the lowest J that was not clicked in; None: there is none to mend."""
        others = {i: j for i, (j, _) in self.quality.items() if i not in self.clicked and j < 1}
        return min(others, key=others.__getitem__) if others else None

    def mean(self) -> tuple[float, float]:
        """IoU and J&F."""
        j, f = np.mean(list(self.quality.values()), axis=0)
        return float(j), float((j + f) / 2)


Tracks = dict[int, Track]
"""Row -> of an object that has been seen."""


def offline(
    video: LabelledVideo,
    begin: Begin,
    num_frames: int = MAX_FRAMES,
    *,
    reaches_back: bool = False,
    watch: Watch = lambda _: None,
) -> list[Curve]:
    """A pass for each number of clicked frames; with reaches_back, each there and back."""
    script: Script = {}
    clicked: dict[int, list[int]] = {}
    chosen: Chosen = {}
    passes: list[Tracks] = []
    for _ in range(num_frames):
        if passes and not any(index is not None for index in chosen.values()):
            passes.append(passes[-1])  # there is nothing left to mend
            continue
        tracks: Tracks = {row: Track(list(frames)) for row, frames in clicked.items()}

        def pause(row: int, index: int, _: float, worst: Chosen = chosen) -> bool:
            return worst.get(row) == index

        run_pass(video, begin, script, tracks, pause, watch)
        if reaches_back:
            reach_back(video, begin, tracks)
        passes.append(tracks)
        clicked = {row: track.clicked for row, track in tracks.items()}
        chosen = {row: track.worst() for row, track in tracks.items()}
    return _curves(video, passes)


def online(
    video: LabelledVideo,
    begin: Begin,
    num_frames: int = MAX_FRAMES,
    *,
    watch: Watch = lambda _: None,
) -> list[Curve]:
    """One pass for each number of frames that may be clicked in."""
    passes: list[Tracks] = []
    for budget in range(1, num_frames + 1):
        if passes and all(len(track.clicked) < budget - 1 for track in passes[-1].values()):
            passes.append(passes[-1])  # nobody wanted more
            continue
        tracks: Tracks = {}

        def pause(row: int, _: int, iou: float, tracks: Tracks = tracks, n: int = budget) -> bool:
            return iou < GOOD_IOU and len(tracks[row].clicked) < n

        run_pass(video, begin, {}, tracks, pause, watch)
        passes.append(tracks)
    return _curves(video, passes)


def run_pass(
    video: LabelledVideo,
    begin: Begin,
    script: Script,
    tracks: Tracks,
    pause: Pause,
    watch: Watch,
) -> None:
    """Goes through a video once, says what the script holds, and asks at each annotated frame.

    An object's first frame is always clicked in. New clicks join the script; tracks take in where
    they were made, what came of them, and the quality of each annotated frame. `watch` is shown
    the annotated frames as they are in the end.
    """
    follower = begin(len(video.object_ids))
    annotated = set(video.annotated)
    for index in range(min(annotated), max(annotated) + 1):
        rgb = video.frame(index)
        masks = follower.step(rgb, script.get(index, []))
        if index not in annotated:
            continue
        truth = Truth.of(video, index)
        new = newcomers(truth.masks, tracks)
        found = truth.known(masks)
        stopped = [
            row
            for row, track in _begun(tracks, index).items()
            if index not in track.clicked
            and pause(row, index, region_similarity(truth.masks[row], found[row]))
        ]
        for row in (*new, *stopped):
            tracks.setdefault(row, Track()).clicked.append(index)
        masks = _click(follower, truth, masks, (*new, *stopped), script.setdefault(index, []))
        watch(Found(index, rgb, masks, truth, frozenset(new)))
        found = truth.known(masks)
        for row, track in _begun(tracks, index).items():
            track.quality[index] = _quality(truth.masks[row], found[row])
            if index in track.clicked:
                track.mended[index] = masks[row]


def reach_back(video: LabelledVideo, begin: Begin, tracks: Tracks) -> None:
    """Shows all clicked frames with the masks that clicks gave, then steps back from the last.

    A frame takes its mask from this if the nearest clicked frame comes after it; the others keep
    what they have from the way there. (In the published code clicked frames condition those before
    them on both ways, and the later of its two passes stands.)
    """
    clicked = sorted({index for track in tracks.values() for index in track.mended})
    if len(clicked) < 2:  # nothing comes before the first
        return
    follower = begin(len(video.object_ids))
    for index in clicked:
        mended = {row: track.mended.get(index) for row, track in tracks.items()}
        told = [Prompt(r + 1, mask=m) for r, m in mended.items() if m is not None and m.any()]
        follower.step(video.frame(index), told)
    annotated = set(video.annotated)
    for index in range(clicked[-1] - 1, clicked[0], -1):
        masks = follower.step(video.frame(index), ())
        nearer = [row for row, track in tracks.items() if track.is_nearer_behind(index)]
        if index in annotated and nearer:
            truth = Truth.of(video, index)
            found = truth.known(masks)
            for row in nearer:
                tracks[row].quality[index] = _quality(truth.masks[row], found[row])


def _quality(truth: Mask, found: Mask) -> tuple[float, float]:
    """J and F"""
    return region_similarity(truth, found), boundary_accuracy(truth, found)


def _begun(tracks: Tracks, index: int) -> Tracks:
    """Those whose first frame is not still to come."""
    return {row: track for row, track in tracks.items() if track.clicked[0] <= index}


def _click(
    follower: Follower, truth: Truth, masks: Masks, rows: Sequence[int], said: list[Prompt]
) -> Masks:
    """Three clicks for each of the objects, each where the error is largest by then."""
    for _ in range(CLICKS):
        prompts = correct_all(truth, masks, rows)
        if not prompts:
            break
        masks = follower.correct(prompts)
        said += prompts
    return masks


def _curves(video: LabelledVideo, passes: list[Tracks]) -> list[Curve]:
    curves = []
    for row in sorted(passes[-1]):
        means = [tracks[row].mean() for tracks in passes]
        ious, jfs = tuple(iou for iou, _ in means), tuple(jf for _, jf in means)
        curves.append(Curve(video.name, video.object_ids[row], ious, jfs))
    return curves
