"""Suites: each runs one kind of evaluation over all videos, under a progress bar.

A video that breaks in the middle is named and left out; the others count.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sam2_rt.data.clip import ClipError
from sam2_rt.data.labelled_video import LabelledVideo, Skipped
from sam2_rt.eval.absence import Absence, AbsenceMeter
from sam2_rt.eval.follower import Begin
from sam2_rt.eval.ghost import Ghost, GhostMeter
from sam2_rt.eval.image import (
    FoundInPicture,
    LabelledPicture,
    Pictures,
    PromptScore,
    score_picture,
    without_small,
)
from sam2_rt.eval.sheet import Reel, Strip, Worst, overlay
from sam2_rt.eval.sources import NothingToScore, Source
from sam2_rt.eval.streaming import Delivery, StreamScore, score_stream
from sam2_rt.eval.vos import Found, ObjectScore, Told, VideoScore, score_video


@dataclass(frozen=True, slots=True)
class VosResult:
    """One method on all videos."""

    method: str
    videos: tuple[VideoScore, ...]
    skipped: tuple[Skipped, ...]
    """Those that could not be opened or that broke in the middle."""
    absence: Absence
    """Of the objects that go away."""
    ghosts: tuple[Ghost, ...]
    """Of each video, in the same order."""

    @property
    def ghost(self) -> Ghost:
        """Of all videos."""
        return sum(self.ghosts, Ghost())

    @property
    def objects(self) -> tuple[ObjectScore, ...]:
        """Of all videos."""
        return tuple(score for video in self.videos for score in video.objects)

    @property
    def num_unscored(self) -> int:
        """Objects with no frame to be scored in."""
        return sum(len(video.unscored) for video in self.videos)


def run_vos(
    method: str, begin: Begin, source: Source, told: Told = Told.MASK, worst: Worst | None = None
) -> VosResult:
    """Scores a method on each video; its worst objects are drawn.

    Raises NothingToScore when no object has a frame to be scored in.
    """
    scores: list[VideoScore] = []
    absences: list[Absence] = []
    ghosts: list[Ghost] = []

    def score(video: LabelledVideo, tick: Tick) -> None:
        absence, ghost, reel = AbsenceMeter(), GhostMeter(), Reel(video.annotated)

        def watch(found: Found) -> None:
            absence.watch(found)
            ghost.watch(found)
            if worst is not None:
                reel.watch(found)
            tick()

        result = score_video(video, begin, told, watch)
        scores.append(result)
        absences.append(absence.result())
        ghosts.append(ghost.result())
        if worst is not None:
            for strip in _strips(video, result.objects, reel):
                worst.add(strip)

    skipped = each_video(source, method, source.num_frames, score)
    absence = sum(absences, Absence())
    result = VosResult(method, tuple(scores), skipped, absence, tuple(ghosts))
    if not result.objects:
        raise NothingToScore(_why_nothing(result))
    return result


@dataclass(frozen=True, slots=True)
class ImageResult:
    """A model on all pictures."""

    objects: tuple[PromptScore, ...]
    num_small: int
    """Objects that were left out for their size."""
    skipped: tuple[str, ...]
    """What is wrong with the pictures that could not be read."""


def run_image(begin: Begin, pictures: Pictures, worst: Worst) -> ImageResult:
    """Scores a model on each picture; its worst objects are drawn.

    Raises NothingToScore when no picture has an object that is large enough.
    """
    scores: list[PromptScore] = []
    skipped: list[str] = []
    num_small = 0
    with progress() as bar:
        for picture in bar.track(pictures, len(pictures), description="pictures"):
            if isinstance(picture, ClipError):
                skipped.append(str(picture))
                continue
            large, small = without_small(picture)
            num_small += small
            if large.object_ids:
                found_scores, found = score_picture(large, begin)
                scores += found_scores
                for row, score in enumerate(found_scores):
                    worst.add(_picture_strip(large, row, score, found))
    if not scores:
        raise NothingToScore(f"no object in any picture is large enough: {'; '.join(skipped[:3])}")
    return ImageResult(tuple(scores), num_small, tuple(skipped))


@dataclass(frozen=True, slots=True)
class StreamResult:
    """All videos as they arrived in one way."""

    delivery: Delivery
    arrived: tuple[ObjectScore, ...]
    held: tuple[ObjectScore, ...]
    skipped: tuple[Skipped, ...]


def run_stream(
    begin: Begin, source: Source, delivery: Delivery, seed: int, worst: Worst | None = None
) -> StreamResult:
    """Scores each video, as far as it arrives; the worst objects are drawn in frames that do."""
    scores: list[StreamScore] = []

    def score(video: LabelledVideo, tick: Tick) -> None:
        if not video.annotated:
            raise ClipError("no annotated frame is left")
        indices = delivery.indices(video, seed)
        reel = Reel(tuple(i for i in video.annotated if i in indices) if worst else ())

        def watch(found: Found) -> None:
            reel.watch(found)
            tick()

        scores.append(score_stream(video, begin, indices, watch))
        if worst is not None:
            for strip in _strips(video, scores[-1].held, reel):
                worst.add(strip)

    skipped = each_video(source, delivery.name, source.num_frames, score)
    arrived = tuple(one for score in scores for one in score.arrived)
    held = tuple(one for score in scores for one in score.held)
    if not held:
        raise NothingToScore(f"{delivery.name}: no object has a frame to be scored in")
    return StreamResult(delivery, arrived, held, skipped)


def mean_of(values: Iterable[float]) -> float:
    """The mean, or NaN of nothing."""
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def mean_jf(objects: Iterable[ObjectScore]) -> float:
    """J&F, the mean over objects."""
    return mean_of(score.jf for score in objects)


Tick = Callable[[], None]
"""Moves a bar on by one."""


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on stderr, if that is a terminal; it goes when it is done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        yield bar


def each_video(
    source: Source, what: str, total: int, score: Callable[[LabelledVideo, Tick], None]
) -> tuple[Skipped, ...]:
    """Scores one video after the other; returns what was left out."""
    skipped = list(source.skipped)
    with progress() as bar:
        task = bar.add_task(what, total=total)
        for video in source:
            bar.update(task, description=f"{what}, {video.name}")
            try:
                score(video, lambda: bar.advance(task))
            except ClipError as error:
                skipped.append(Skipped(video.name, str(error)))
    return tuple(skipped)


def _strips(video: LabelledVideo, objects: Sequence[ObjectScore], reel: Reel) -> Iterator[Strip]:
    rows = {object_id: row for row, object_id in enumerate(video.object_ids)}
    for score in objects:
        label = (video.name, f"object {score.object_id}", f"J&F {score.jf:.3f}")
        yield Strip(score.jf, label, reel.tiles(rows[score.object_id]))


def _picture_strip(
    picture: LabelledPicture, row: int, score: PromptScore, found: FoundInPicture
) -> Strip:
    truth = picture.truth.masks[row]
    ways = (
        ("1 click", found.click, score.click),
        ("5 clicks", found.clicks5, score.clicks5),
        ("box", found.box, score.box),
    )
    tiles = tuple(
        (f"{way} {iou:.2f}", overlay(picture.rgb, truth, masks[row])) for way, masks, iou in ways
    )
    mean = mean_of(iou for _, _, iou in ways)
    return Strip(mean, (picture.name, f"object {score.object_id}", f"mean {mean:.3f}"), tiles)


def _why_nothing(result: VosResult) -> str:
    if result.skipped:
        return "; ".join(str(skipped) for skipped in result.skipped[:3])
    return (
        f"none of {result.num_unscored} objects has a frame to be scored in: "
        "between its first frame and the last annotated one"
    )
