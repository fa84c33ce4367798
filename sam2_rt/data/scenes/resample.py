"""Resamples pictures under an affine map and, where wanted, a smooth bend of the picture itself."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

_FINE: Final = 24
"""Side of the grid that a bend is kept as; OpenCV interpolates between its cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """A displacement field over a picture, another in each of T frames."""

    grids: NDArray[np.float32]
    """[T, 24, 24, 2], pixels of the picture, along x and y"""


def draw_bend(rng: Generator, num_frames: int, reach: float, turns: float) -> Bend:
    """Displacements up to about `reach` pixels that go through `turns` periods in the clip."""
    knots = int(rng.integers(3, 6))
    phase = rng.uniform(0, 2 * math.pi, (knots, knots, 2))
    size = reach * rng.uniform(0.4, 1.0, (knots, knots, 2))
    time = np.linspace(0, 2 * math.pi * turns, num_frames)[:, None, None, None]
    coarse = (size * np.sin(time + phase)).astype(np.float32)
    fine = [cv2.resize(grid, (_FINE, _FINE), interpolation=cv2.INTER_CUBIC) for grid in coarse]
    return Bend(np.stack(fine).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Resampler:
    """From a picture of some size to a window of the frame, in one frame of a clip."""

    matrix: NDArray[np.float64]
    """[3, 3], from the picture's pixels to the frame's"""
    window: tuple[int, int, int, int]
    """x0, y0, x1, y1 of what is wanted, frame pixels"""
    grid: NDArray[np.float32] | None = None
    """One of a Bend."""

    def colours(self, picture: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
        """[h, w, C], with OpenCV's border mode around the picture."""
        return self._sample(picture, cv2.INTER_LINEAR, border, 0)

    def ids(self, picture: NDArray[np.uint8], outside: int) -> NDArray[np.uint8]:
        """[h, w]; no new values but `outside`."""
        return self._sample(picture, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, outside)

    def _sample(
        self, picture: NDArray[np.uint8], how: int, border: int, outside: int
    ) -> NDArray[np.uint8]:
        x0, y0, x1, y1 = self.window
        local = self.matrix.copy()
        local[:2, 2] -= (x0, y0)
        size = (x1 - x0, y1 - y0)
        value = (outside,) * 4
        if self.grid is None:
            # Inverted here: OpenCV's own inversion is in single precision.
            back = np.linalg.inv(local)[:2]
            flags = how | cv2.WARP_INVERSE_MAP
            found = cv2.warpAffine(
                picture, back, size, flags=flags, borderMode=border, borderValue=value
            )
        else:
            along, down = self._bent_maps(local, size, picture.shape)
            found = cv2.remap(picture, along, down, how, borderMode=border, borderValue=value)
        return np.asarray(found, np.uint8)

    def _bent_maps(
        self, local: NDArray[np.float64], size: tuple[int, int], shape: tuple[int, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where each pixel of the window comes from in the picture: x and y, [h, w] each."""
        assert self.grid is not None, "nothing is bent"
        cell = np.diag((shape[1] / _FINE, shape[0] / _FINE, 1.0))
        moved = cv2.warpAffine(
            self.grid,
            np.linalg.inv(local @ cell)[:2],
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        back = np.linalg.inv(local).astype(np.float32)
        x = np.arange(size[0], dtype=np.float32)
        y = np.arange(size[1], dtype=np.float32)[:, None]
        along = moved[..., 0] + (back[0, 0] * x + back[0, 2]) + back[0, 1] * y
        down = moved[..., 1] + (back[1, 0] * x + back[1, 2]) + back[1, 1] * y
        return np.asarray(along, np.float32), np.asarray(down, np.float32)
