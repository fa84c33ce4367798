"""Motion: where a sprite is over a clip. Lengths are shares of the frame's side, (0, 0) its middle.

The pace of a clip, the mean motion a frame, stands for its frame rate too: a clip of three frames
a second is one of a high pace.
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
MAX_STEP_EASY: Final = 0.04
"""The same at difficulty 0."""
LEG: Final = 8
"""Frames after which a course turns elsewhere, so that long clips do not run out of the world."""

_FREE: Final = 0.36
"""Sprites start and turn no farther from the middle along either axis."""

Points = NDArray[np.float64]
"""[N, 2]"""


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """One sprite's course over T frames."""

    place: Points
    """[T, 2], of its middle"""
    angle: NDArray[np.float64]
    """[T], radians"""
    size: NDArray[np.float64]
    """[T], of its longer side"""

    def matrices(self, sprite_size: tuple[float, float]) -> Matrices:
        """From the pixels of a sprite of that width and height to the world."""
        width, height = sprite_size
        middle = move((-width / 2, -height / 2))
        grown = scale(self.size / max(width, height))
        matrices: Matrices = move(self.place) @ turn(self.angle) @ grown @ middle
        return matrices


@dataclass(frozen=True, slots=True)
class Tempo:
    """How lively a clip is."""

    pace: float
    """Mean motion between two frames."""
    most: float
    """No thing's mean motion is more."""
    leave: float
    """Chance that a thing leaves its first place clearly."""

    def leaves(self, rng: Generator) -> bool:
        """For one thing."""
        return bool(rng.random() < self.leave)


def draw_tempo(rng: Generator, num_frames: int, difficulty: float) -> Tempo:
    """A third of the clips are calm, as at 24 frames a second; the others are as at fewer."""
    calm = rng.random() < 0.45 - 0.15 * difficulty
    most = MAX_STEP_EASY + (MAX_STEP - MAX_STEP_EASY) * difficulty
    slowest, fastest = (0.001, 0.01) if calm else (0.006, 0.6 * most)
    pace = math.exp(rng.uniform(math.log(slowest), math.log(fastest)))
    leave = 0.1 if calm else 0.55 + 0.2 * difficulty
    # In a clip of few frames only a jump could leave.
    return Tempo(pace, most, leave * min((num_frames - 1) / (LEG - 1), 1.0))


def draw_start(rng: Generator, taken: list[Points]) -> Points:
    """A first place [2], the freest of a few."""
    tries = rng.uniform(-_FREE, _FREE, (3, 2))
    if not taken:
        return np.asarray(tries[0])
    distances = np.linalg.norm(tries[:, None] - np.array(taken)[None], axis=2).min(axis=1)
    return np.asarray(tries[int(distances.argmax())])


def draw_motion(
    rng: Generator, num_frames: int, start: Points, size: float, tempo: Tempo
) -> Motion:
    """Things that leave go on for more than their own size, or out of the frame and back."""
    time = np.linspace(0, 1, num_frames)
    step = tempo.pace * rng.choice((0.2, 0.6, 1.0, 1.0))
    leaves = tempo.leaves(rng)
    if leaves:
        step = max(step, size * rng.uniform(1.1, 1.6) / min(max(num_frames - 1, 1), LEG))
    step = min(step, tempo.most)
    if leaves and num_frames >= 5 and rng.random() < 0.35:
        place = _excursion(rng, start, size, time)
    else:
        place = wander(rng, start, step, num_frames)
    place = place + _wobble(rng, time, min(step, 0.05))
    reach = min(step * (num_frames - 1), 1.0)
    turned = rng.uniform(-1, 1) * reach * 3 * (rng.random() < 0.6)
    grown = rng.uniform(-0.8, 0.8) * reach * (rng.random() < 0.7)
    angle = rng.normal(0, 0.25) + turned * ease(rng, time)
    return Motion(place, angle, size * np.exp(grown * ease(rng, time)))


def wander(rng: Generator, start: Points, step: float, num_frames: int) -> Points:
    """[T, 2]: a smooth course of that mean step that mostly stays about the frame."""
    legs = max(1, math.ceil((num_frames - 1) / LEG))
    reach = step * (num_frames - 1) / legs
    turns = [start]
    for _ in range(legs):
        ways = rng.uniform(0, 2 * math.pi, int(rng.integers(2, 6)))
        ends = turns[-1] + reach * np.stack((np.cos(ways), np.sin(ways)), 1)
        turns.append(ends[int(np.abs(ends).max(axis=1).argmin())])
    return _through(np.array(turns), ease(rng, np.linspace(0, 1, num_frames)))


def ease(rng: Generator, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 to 1, faster here and slower there."""
    wave = np.sin(2 * math.pi * time) / (2 * math.pi)
    return np.asarray(time + rng.uniform(-0.6, 0.6) * wave)


def _through(turns: Points, time: NDArray[np.float64]) -> Points:
    """[T, 2]: through the turns at equal times, without corners (Catmull and Rom's spline)."""
    legs = len(turns) - 1
    known = np.concatenate((turns[:1], turns, turns[-1:]))
    at = np.clip(time * legs, 0, legs)
    leg = np.minimum(at.astype(np.int64), legs - 1)
    u = (at - leg)[:, None]
    before, first, second, after = (known[leg + offset] for offset in range(4))
    cubic = 3 * (first - second) + after - before
    square = 2 * before - 5 * first + 4 * second - after
    if legs == 1:
        return np.asarray(first + (second - first) * u)
    return np.asarray(first + 0.5 * u * (second - before + u * (square + u * cubic)))


def _excursion(rng: Generator, start: Points, size: float, time: NDArray[np.float64]) -> Points:
    """[T, 2]: out of the frame on the nearest side, and after a while back to somewhere near."""
    axis = int(np.abs(start).argmax())
    out = (0.55 + size / 2) * (1.0 if start[axis] > 0 else -1.0) - start[axis]
    course = np.zeros(2)
    course[axis] = out
    back = np.zeros(2)
    back[1 - axis] = rng.uniform(-0.3, 0.3)
    bump = np.sin(math.pi * np.clip(time * rng.uniform(1.0, 1.3), 0, 1))[:, None]
    bump = np.minimum(bump * rng.uniform(1.1, 1.5), 1)  # stays out for a while
    return np.asarray(start + bump * course + time[:, None] * back)


def _wobble(rng: Generator, time: NDArray[np.float64], size: float) -> Points:
    """[T, 2], zero at first."""
    phase, speed = rng.uniform(0, 2 * math.pi, 2), rng.uniform(2, 8, 2)
    return np.asarray(size * (np.sin(speed * time[:, None] + phase) - np.sin(phase)))
