"""Source: where the videos of an evaluation come from, a folder or a run of seeds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from sam2_rt.data.folders import open_dataset
from sam2_rt.data.labelled_video import LabelledVideo, Skipped
from sam2_rt.data.sample import Sample
from sam2_rt.data.synthetic import SceneMaker
from sam2_rt.eval.absence import comes_back
from sam2_rt.eval.views import FirstFrames, SampleVideo

FIRST_UNSEEN_SEED: Final = 10**9
"""Of evaluation, as all below RESERVED_SEEDS of data/mixture.py: no Mixture draws one of them."""

MAX_TRIED: Final = 64
"""Unseen clips that are looked through for each one in which an object has to come back."""

MAY_OVERLAP: Final = frozenset({"SA-V"})
"""Layouts whose objects have masks of their own; in the others each pixel is of one object."""


class NothingToScore(ValueError):
    """Data in which there is nothing that could be evaluated."""


class Source(Protocol):
    """Videos, one at a time, the same at each iteration."""

    @property
    def may_overlap(self) -> bool:
        """Whether masks of different objects may share pixels."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Videos that cannot be used, and why."""

    @property
    def num_frames(self) -> int:
        """Of all videos."""

    def __iter__(self) -> Iterator[LabelledVideo]: ...


@dataclass(frozen=True, slots=True)
class Folder:
    """The videos of a folder that take part."""

    videos: tuple[LabelledVideo, ...]
    skipped: tuple[Skipped, ...] = ()
    may_overlap: bool = False

    @property
    def num_frames(self) -> int:
        """Of all videos."""
        return sum(video.num_frames for video in self.videos)

    def __iter__(self) -> Iterator[LabelledVideo]:
        return iter(self.videos)

    @classmethod
    def open(
        cls,
        folder: Path,
        limit: int | None = None,
        exclude: Sequence[str] = (),
        split: str | None = None,
    ) -> "Folder":
        """The first `limit` frames of each video that is not excluded by its name.

        A split is one as open_dataset knows them; None: all there is. Raises UnknownLayout;
        NothingToScore for a name that is excluded and not there, or when no video is left.
        """
        dataset = open_dataset(folder, split)
        names = {video.name for video in dataset.videos} | {s.name for s in dataset.skipped}
        unknown = sorted(set(exclude) - names)
        if unknown:
            raise NothingToScore(f"{folder} has no video {unknown[0]} to exclude")
        kept = [video for video in dataset.videos if video.name not in exclude]
        skipped = tuple(s for s in dataset.skipped if s.name not in exclude)
        if not kept:
            reasons = "; ".join(str(one) for one in skipped[:3]) or "all are excluded"
            raise NothingToScore(f"{folder} holds no video to evaluate: {reasons}")
        videos = tuple(FirstFrames(v, limit) if limit else v for v in kept)
        return cls(videos, skipped, dataset.layout in MAY_OVERLAP)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Clips that no training has seen, made when their turn comes."""

    maker: SceneMaker
    seeds: tuple[int, ...]
    frames_each: int
    may_overlap: bool = field(default=True, init=False)
    """A wheel and its car are both objects."""
    skipped: tuple[Skipped, ...] = field(default=(), init=False)

    @property
    def num_frames(self) -> int:
        """Of all clips."""
        return len(self.seeds) * self.frames_each

    def __iter__(self) -> Iterator[LabelledVideo]:
        for seed in self.seeds:
            yield SampleVideo(f"scene-{seed}", self.maker.make(seed, self.frames_each))

    @classmethod
    def unseen(cls, maker: SceneMaker, num_clips: int, frames_each: int) -> "MadeUp":
        """The first clips beyond those that are trained on."""
        seeds = range(FIRST_UNSEEN_SEED, FIRST_UNSEEN_SEED + num_clips)
        return cls(maker, tuple(seeds), frames_each)

    @classmethod
    def returning(cls, maker: SceneMaker, num_clips: int, frames_each: int) -> "MadeUp":
        """The first unseen clips in which an object goes away and comes back to stay.

        Raises NothingToScore where too few of MAX_TRIED a clip are such: they are too short.
        """
        tried = range(FIRST_UNSEEN_SEED, FIRST_UNSEEN_SEED + MAX_TRIED * num_clips)
        seeds = (s for s in tried if _returns(maker.make(s, frames_each)))
        found = tuple(islice(seeds, num_clips))
        if len(found) < num_clips:
            raise NothingToScore(
                f"an object comes back in {len(found)} of {len(tried)} made-up clips of "
                f"{frames_each} frames, {num_clips} are asked for: make the clips longer"
            )
        return cls(maker, found, frames_each)


def _returns(sample: Sample) -> bool:
    return any(comes_back(areas) for areas in sample.masklets.mean(axis=(2, 3)))
