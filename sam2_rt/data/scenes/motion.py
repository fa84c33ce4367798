"""Motion: where a sprite is over a clip. Lengths are shares of the frame's side, (0, 0) its middle.

The pace of a clip stands for its frame rate: a clip of 3 frames a second is one of a high pace.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, move, scale, turn

MAX_STEP: Final = 0.10
"""The fastest mean motion between two frames."""

_VIEW: Final = 0.36
"""Sprites start no farther from the middle along either axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """One sprite's course over T frames."""

    place: NDArray[np.float64]
    """[T, 2], of its middle"""
    angle: NDArray[np.float64]
    """[T], radians"""
    size: NDArray[np.float64]
    """[T], of its longer side"""

    def matrices(self, sprite_size: tuple[int, int]) -> Matrices:
        """From the pixels of a sprite of that width and height to the world."""
        width, height = sprite_size
        middle = move((-width / 2, -height / 2))
        grown = scale(self.size / max(width, height))
        matrices: Matrices = move(self.place) @ turn(self.angle) @ grown @ middle
        return matrices


def draw_pace(rng: Generator, difficulty: float) -> float:
    """Mean motion a frame; clips are as often slow as fast."""
    fastest = 0.02 + (MAX_STEP - 0.02) * difficulty
    return float(np.exp(rng.uniform(math.log(0.003), math.log(fastest))))


def draw_motion(
    rng: Generator, num_frames: int, size: float, pace: float, *, leave: bool
) -> Motion:
    """A sprite of that size; if it is to leave, it ends off its first place as pace lets it."""
    time = np.linspace(0, 1, num_frames)
    start = rng.uniform(-_VIEW, _VIEW, 2)
    reach = pace * (num_frames - 1)
    if leave:
        reach = min(max(reach, size * rng.uniform(1.1, 1.6)), MAX_STEP * (num_frames - 1))
    else:
        reach *= rng.uniform(0.0, 0.6)
    kind = rng.random()
    if kind < 0.2 and reach > 0.3:
        place = (
            start + _course(rng, start, reach * 0.6)[None] * np.sin(math.pi * time)[:, None] ** 2
        )
    else:
        place = start + _course(rng, start, reach)[None] * _eased(rng, time)[:, None]
    place = place + _wobble(rng, time, min(reach, 0.5) * 0.15)
    turned = rng.uniform(-1, 1) * min(reach * 3, 2.0) * (rng.random() < 0.6)
    angle = rng.normal(0, 0.25) + turned * _eased(rng, time)
    growth = rng.uniform(-1, 1) * min(reach, 0.6) * (rng.random() < 0.7)
    return Motion(place, angle, size * np.exp(growth * _eased(rng, time)))


def _course(rng: Generator, start: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """A way of that length, more often across the frame than out of it."""
    ways = rng.uniform(0, 2 * math.pi, 4)
    ends = start + reach * np.stack((np.cos(ways), np.sin(ways)), 1)
    tries = int(rng.integers(1, 5))
    best = int(np.argmin(np.abs(ends[:tries]).max(axis=1)))
    course: NDArray[np.float64] = ends[best] - start
    return course


def _eased(rng: Generator, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1, faster here and slower there."""
    eased: NDArray[np.float64] = time + rng.uniform(-0.6, 0.6) * np.sin(2 * math.pi * time) / (
        2 * math.pi
    )
    return eased


def _wobble(rng: Generator, time: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    """[T, 2], zero at first."""
    phase, speed = rng.uniform(0, 2 * math.pi, 2), rng.uniform(2, 8, 2)
    wobble: NDArray[np.float64] = size * (np.sin(speed * time[:, None] + phase) - np.sin(phase))
    return wobble
