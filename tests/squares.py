"""Samples to learn from within a test: a bright square that moves. No torch: workers load it."""

from dataclasses import dataclass

import numpy as np

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.sample import NothingUsable, Sample


@dataclass(frozen=True, slots=True)
class SquareMaker:
    """Picklable, so that workers can have it."""

    size: int = 64

    def __call__(self) -> "SquareMaker":
        return self

    @property
    def skipped(self) -> tuple[()]:
        return ()

    def make(self, seed: int, num_frames: int) -> Sample:
        rng = np.random.default_rng(seed)
        frames = rng.integers(0, 60, (num_frames, self.size, self.size, 3), dtype=np.uint8)
        masklets = np.zeros((1, num_frames, self.size, self.size), np.bool_)
        x, y = rng.integers(4, self.size - 28, 2)
        for index in range(num_frames):
            masklets[0, index, y : y + 20, x + index : x + index + 20] = True
        frames[masklets[0]] = (230, 60, 60)
        return Sample(frames, masklets)


@dataclass(frozen=True, slots=True)
class NoMaker:
    """Its workers die."""

    def __call__(self) -> SquareMaker:
        raise SystemExit(3)


@dataclass(slots=True)
class SparseMaker:
    """Only every so many seeds give a sample; 0: none does."""

    every: int
    barren: int = 0

    def __call__(self) -> "SparseMaker":
        return self

    @property
    def skipped(self) -> tuple[tuple[Skipped, int], ...]:
        return ((Skipped("clip", "cut off"), self.barren),)

    def make(self, seed: int, num_frames: int) -> Sample:
        if self.every and seed % self.every == 0:
            return SQUARES.make(seed, num_frames)
        self.barren += 1
        raise NothingUsable(f"seed {seed} has a clip that is cut off")


SQUARES = SquareMaker()
