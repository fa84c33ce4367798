"""Samples to learn from within a test: a bright square that moves. No torch: workers load it."""

from dataclasses import dataclass

import numpy as np

from sam2_rt.data.sample import Sample


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


SQUARES = SquareMaker()
