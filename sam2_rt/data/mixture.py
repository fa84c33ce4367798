"""Mixture: one endless stream of samples from several sources, each as often as its weight says."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sam2_rt.data.bodies import BodyMaker
from sam2_rt.data.labelled_video import Dataset, Skipped
from sam2_rt.data.sample import NothingUsable, Sample
from sam2_rt.data.scenes.photos import SkippedPicture
from sam2_rt.data.synthetic import SceneConfig, SceneMaker
from sam2_rt.data.windows import sample_window

MAX_TRIES: Final = 32
"""Samples that are tried for one seed, until one is not skipped."""
MAX_REASONS: Final = 256
"""Different ones that are counted; what else is skipped is counted as OTHER."""
OTHER: Final = Skipped("other", "reasons beyond those that are told apart")

RESERVED_SEEDS: Final = 2**40
"""Smaller ones are never drawn: they are left to evaluation and to whoever names a seed."""

_SEEDS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Source:
    """Makes the sample of a seed, the same each time, of so many frames; or says why not."""

    name: str
    weight: float
    """Above 0; only its relation to the others' counts."""
    make: Callable[[int, int], Sample | Skipped]
    skipped: Callable[[], tuple[SkippedPicture, ...]] = tuple
    """Pictures that its maker could not use, as far as they were drawn."""

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"source {self.name} has weight {self.weight}, not a positive one")


class Mixture:
    """Draws a source for each seed. One a process, as its makers."""

    def __init__(self, sources: Sequence[Source]) -> None:
        if not sources:
            raise ValueError("a mixture of no sources")
        self.sources = tuple(sources)
        weights = np.array([source.weight for source in sources])
        self._shares = weights / weights.sum()
        self._skipped: Counter[Skipped] = Counter()
        self._known: set[SkippedPicture] = set()  # counted already; each file once

    def make(self, seed: int, num_frames: int) -> Sample:
        """The sample of a seed: what is skipped is counted, and a source is drawn again.

        The same seed and sources give the same sample, whatever was made before.
        Raises NothingUsable if all of MAX_TRIES are skipped.
        """
        found: Sample | Skipped = OTHER
        for attempt in range(MAX_TRIES):
            random = np.random.default_rng((seed, attempt))
            source = self.sources[int(random.choice(len(self.sources), p=self._shares))]
            found = source.make(_draw_seed(random), num_frames)
            self._count_pictures(source)
            if isinstance(found, Sample):
                return found
            self._count(Skipped(f"{source.name}: {found.name}", found.reason))
        raise NothingUsable(f"{MAX_TRIES} samples of seed {seed} were skipped, the last {found}")

    @property
    def skipped(self) -> tuple[tuple[Skipped, int], ...]:
        """What was skipped so far and how often, the most frequent first."""
        return tuple(self._skipped.most_common())

    def _count_pictures(self, source: Source) -> None:
        """Those that nobody could use and that are not counted yet; the sample has others."""
        new = [picture for picture in source.skipped() if picture not in self._known]
        for picture in new:
            self._count(Skipped(f"{source.name}: {picture.path}", picture.reason))
        self._known.update(new)

    def _count(self, skipped: Skipped) -> None:
        is_known = skipped in self._skipped or len(self._skipped) < MAX_REASONS
        self._skipped[skipped if is_known else OTHER] += 1


def _draw_seed(random: np.random.Generator) -> int:
    seed = int(random.integers(_SEEDS))
    return seed if seed >= RESERVED_SEEDS else seed + RESERVED_SEEDS


def scene_source(weight: float, config: SceneConfig) -> Source:
    """Clips that are painted."""
    maker = SceneMaker(config)
    return Source("scenes", weight, maker.make, lambda: maker.skipped)


def body_source(weight: float, size: int, texture_folders: tuple[Path, ...] = ()) -> Source:
    """Clips of solid bodies. Raises NoRenderer where they cannot be drawn."""
    maker = BodyMaker(size, texture_folders)
    return Source("bodies", weight, maker.make, lambda: maker.skipped)


def video_source(name: str, weight: float, dataset: Dataset, size: int) -> Source:
    """Windows of annotated videos, each video as likely. Raises NothingUsable if it has none."""
    if not dataset.videos:
        first = f", the first for {dataset.skipped[0]}" if dataset.skipped else ""
        raise NothingUsable(
            f"no video of {name} can be used; {len(dataset.skipped)} skipped{first}"
        )

    def make(seed: int, num_frames: int) -> Sample | Skipped:
        random = np.random.default_rng(seed)
        video = dataset.videos[int(random.integers(len(dataset.videos)))]
        return sample_window(video, random, num_frames, size)

    return Source(name, weight, make)
