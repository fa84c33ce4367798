"""Light: exposure that drifts, a brighter and a darker side, soft shadows below sprites."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Shadow:
    """That all sprites of a clip cast on what is behind them."""

    offset: tuple[int, int]
    """Pixels."""
    blur: int
    """Side of the box that smooths it, pixels."""
    strength: float
    """0: none, 1: black."""

    @property
    def reach(self) -> int:
        """Pixels that it may stick out beyond its sprite."""
        return max(abs(self.offset[0]), abs(self.offset[1])) + self.blur

    def fall(self, below: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What is below [h, w, 3], darkened by a sprite of that alpha [h, w]."""
        height, width = alpha.shape
        shift = np.array(((1, 0, self.offset[0]), (0, 1, self.offset[1])), np.float32)
        moved = cv2.warpAffine(alpha, shift, (width, height), flags=cv2.INTER_NEAREST)
        soft = cv2.blur(moved, (self.blur, self.blur))
        left = cv2.addWeighted(soft, -self.strength, soft, 0, 255)
        lit = cv2.multiply(below, cv2.cvtColor(left, cv2.COLOR_GRAY2RGB), scale=1 / 255)
        return np.asarray(lit, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Over T frames."""

    fields: NDArray[np.uint8]
    """[T, 3, 3], gain at nine places of the frame; 128 is 1"""

    def shine(self, frame: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """The frame [H, W, 3] under the light of that index."""
        height, width = frame.shape[:2]
        field = cv2.resize(self.fields[index], (width, height), interpolation=cv2.INTER_LINEAR)
        lit = cv2.multiply(frame, cv2.cvtColor(field, cv2.COLOR_GRAY2RGB), scale=1 / 128)
        return np.asarray(lit, np.uint8)


def draw_shadow(rng: Generator, size: int) -> Shadow | None:
    """In a third of the clips, for frames of that side."""
    if rng.random() > 0.35:
        return None
    way, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.04) * size
    offset = (round(reach * math.cos(way)), round(reach * math.sin(way)))
    blur = max(round(size * rng.uniform(0.01, 0.05)), 1)
    return Shadow(offset, blur, float(rng.uniform(0.2, 0.6)))


def draw_light(rng: Generator, num_frames: int) -> Light | None:
    """In a third of the clips."""
    if rng.random() > 0.35:
        return None
    y, x = np.mgrid[-1:2, -1:2]
    way = rng.uniform(0, 2 * math.pi) + np.linspace(0, rng.uniform(-1, 1), num_frames)
    side = np.cos(way)[:, None, None] * x + np.sin(way)[:, None, None] * y
    drift = rng.uniform(-0.3, 0.3) * np.linspace(0, 1, num_frames)[:, None, None]
    gain = np.exp(rng.uniform(-0.25, 0.15) + drift + rng.uniform(0, 0.35) * side)
    return Light(np.clip(gain * 128, 20, 255).astype(np.uint8))
