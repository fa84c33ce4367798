"""Camera: pan, zoom, roll and shake over a clip; from the world to the pixels of the frame."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, corners, move, scale, turn
from sam2_rt.data.scenes.motion import wander


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """One camera over T frames."""

    frame_size: int
    """Side of the square frame, pixels."""
    aspect: float
    """Width by height of the view that is squeezed into the square."""
    place: NDArray[np.float64]
    """[T, 2], of the middle of the view in the world"""
    zoom: NDArray[np.float64]
    """[T], of things at depth 1"""
    roll: NDArray[np.float64]
    """[T], radians"""

    @property
    def squeeze(self) -> NDArray[np.float64]:
        """[2], width and height of the view in the world at zoom 1; their product is 1."""
        return np.array((math.sqrt(self.aspect), 1 / math.sqrt(self.aspect)))

    def matrices(self, nearness: float = 1.0) -> Matrices:
        """World to pixels; what is near (above 1) moves more than what is far."""
        width, height = self.squeeze
        lens = scale(self.frame_size / width, self.frame_size / height)
        middle = move((self.frame_size / 2, self.frame_size / 2))
        seen = turn(-self.roll) @ scale(self.zoom**nearness) @ move(-self.place * nearness)
        matrices: Matrices = middle @ lens @ seen
        return matrices

    def seen_world(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of all that is ever in view at depth 1."""
        views = np.linalg.inv(self.matrices()) @ corners(self.frame_size, self.frame_size)
        low, high = views[:, :2].min(axis=(0, 2)), views[:, :2].max(axis=(0, 2))
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def draw_aspect(rng: Generator) -> float:
    """Models see pictures squeezed into a square: mostly 4:3 or 16:9, some upright."""
    kind = rng.random()
    if kind < 0.25:
        return 1.0
    wide = float(rng.choice((4 / 3, 1.5, 16 / 9)))
    return wide if kind < 0.85 else 1 / wide


def draw_camera(rng: Generator, num_frames: int, frame_size: int, pace: float) -> Camera:
    """Still, hand-held or moving; the first view is at the origin with zoom 1."""
    time = np.linspace(0, 1, num_frames)
    place, zoom, roll = np.zeros((num_frames, 2)), np.ones(num_frames), np.zeros(num_frames)
    kind = rng.random()
    if kind > 0.25:
        size = rng.uniform(0, 0.3) * min(pace, 0.03)
        place = place + size * rng.normal(size=(num_frames, 2))
        roll = roll + 0.3 * size * rng.normal(size=num_frames)
    if kind > 0.45:
        step = min(pace * rng.uniform(0.3, 1.2), 0.07)
        place = place + wander(rng, np.zeros(2), step, num_frames)
        reach = min(step * (num_frames - 1), 0.6)
        zoom = np.exp(rng.uniform(-0.8, 0.8) * reach * time * (rng.random() < 0.6))
        roll = roll + rng.uniform(-0.5, 0.5) * reach * time * (rng.random() < 0.4)
    return Camera(frame_size, draw_aspect(rng), place - place[0], zoom, roll - roll[0])
