"""Suites: each runs one kind of evaluation over a whole dataset, under a progress bar."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sam2_rt.data.clip import ClipError
from sam2_rt.data.folders import open_dataset
from sam2_rt.data.labelled_video import LabelledVideo, Skipped
from sam2_rt.eval.baselines import CopyFollower, FlowFollower
from sam2_rt.eval.follower import Begin, ModelFollower
from sam2_rt.eval.image import Pictures, PromptScore, score_picture, without_small
from sam2_rt.eval.views import FirstFrames
from sam2_rt.eval.vos import ObjectScore, Told, VideoScore, score_video
from sam2_rt.model.sam2 import SAM2

BASELINES: dict[str, Begin] = {"copy": CopyFollower, "flow": FlowFollower}

MAY_OVERLAP = frozenset({"SA-V"})
"""Layouts whose objects have masks of their own; in the others each pixel is of one object."""


class NothingToScore(ValueError):
    """Data in which there is nothing that could be evaluated."""


@dataclass(frozen=True, slots=True)
class Videos:
    """The videos of a folder that take part."""

    videos: tuple[LabelledVideo, ...]
    skipped: tuple[Skipped, ...]
    may_overlap: bool
    """Whether masks of different objects may share pixels."""

    @classmethod
    def open(cls, folder: Path, limit: int | None = None, exclude: Sequence[str] = ()) -> "Videos":
        """The first `limit` frames of each video that is not excluded by its name.

        Raises UnknownLayout; NothingToScore for a name that is excluded and not there, or when no
        video is left.
        """
        dataset = open_dataset(folder)
        names = {video.name for video in dataset.videos} | {s.name for s in dataset.skipped}
        unknown = sorted(set(exclude) - names)
        if unknown:
            raise NothingToScore(f"{folder} has no video {unknown[0]} to exclude")
        kept = [video for video in dataset.videos if video.name not in exclude]
        if not kept:
            reasons = "; ".join(str(skipped) for skipped in dataset.skipped[:3])
            raise NothingToScore(
                f"{folder} holds no video to evaluate: {reasons or 'all excluded'}"
            )
        videos = tuple(FirstFrames(v, limit) if limit else v for v in kept)
        return cls(videos, dataset.skipped, dataset.layout in MAY_OVERLAP)


@dataclass(frozen=True, slots=True)
class VosResult:
    """One method on all videos."""

    method: str
    videos: tuple[VideoScore, ...]
    skipped: tuple[Skipped, ...]
    """Videos that broke in the middle."""

    @property
    def objects(self) -> tuple[ObjectScore, ...]:
        """Of all videos."""
        return tuple(score for video in self.videos for score in video.objects)


def begin_model(model: SAM2, *, may_overlap: bool) -> Begin:
    """Followers by a model."""
    return lambda num_objects: ModelFollower(model, num_objects, may_overlap=may_overlap)


def run_vos(method: str, begin: Begin, videos: Videos, told: Told = Told.MASK) -> VosResult:
    """Scores a method on each video. A video that breaks in the middle is named and left out."""
    scores: list[VideoScore] = []
    skipped: list[Skipped] = []
    total = sum(video.num_frames for video in videos.videos)
    with progress() as bar:
        task = bar.add_task(method, total=total)
        for video in videos.videos:
            bar.update(task, description=f"{method} {video.name}")
            try:
                scores.append(score_video(video, begin, told, lambda _: bar.advance(task)))
            except ClipError as error:
                skipped.append(Skipped(video.name, str(error)))
        bar.update(task, completed=total)
    return VosResult(method, tuple(scores), tuple(skipped))


@dataclass(frozen=True, slots=True)
class ImageResult:
    """A model on all pictures."""

    objects: tuple[PromptScore, ...]
    num_small: int
    """Objects that were left out for their size."""
    skipped: tuple[str, ...]
    """What is wrong with the pictures that could not be read."""


def run_image(begin: Begin, pictures: Pictures) -> ImageResult:
    """Scores a model on each picture."""
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
                scores += score_picture(large, begin)[0]
    if not scores:
        raise NothingToScore(f"no picture has an object that could be scored: {skipped[:3]}")
    return ImageResult(tuple(scores), num_small, tuple(skipped))


def mean_of(values: Sequence[float]) -> float:
    """The mean, or NaN of nothing."""
    return float(np.mean(values)) if values else float("nan")


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on stderr, so that stdout holds results alone."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        yield bar
