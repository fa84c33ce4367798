"""Affine maps of the plane over time, as [T, 3, 3] matrices that act on columns (x, y, 1)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrices = NDArray[np.float64]
"""[T, 3, 3], or [1, 3, 3] for a map that stays"""


def move(by: ArrayLike) -> Matrices:
    """A translation by [T, 2] or [2]."""
    offsets = np.atleast_2d(np.asarray(by, np.float64))
    matrices = np.tile(np.eye(3), (len(offsets), 1, 1))
    matrices[:, :2, 2] = offsets
    return matrices


def scale(x: ArrayLike, y: ArrayLike | None = None) -> Matrices:
    """About the origin, by numbers or [T]; y as x if None."""
    along = np.atleast_1d(np.asarray(x, np.float64))
    down = along if y is None else np.atleast_1d(np.asarray(y, np.float64))
    matrices = np.zeros((len(along), 3, 3))
    matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 2, 2] = along, down, 1
    return matrices


def turn(by: ArrayLike) -> Matrices:
    """About the origin by [T] radians, from x towards y."""
    angles = np.atleast_1d(np.asarray(by, np.float64))
    matrices = np.tile(np.eye(3), (len(angles), 1, 1))
    matrices[:, 0, 0] = matrices[:, 1, 1] = np.cos(angles)
    matrices[:, 1, 0] = np.sin(angles)
    matrices[:, 0, 1] = -matrices[:, 1, 0]
    return matrices


def corners(width: float, height: float) -> NDArray[np.float64]:
    """Of a rectangle from the origin, as columns [3, 4]."""
    return np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]], np.float64)
