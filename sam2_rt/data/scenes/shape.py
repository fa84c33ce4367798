"""Outlines of made-up things, as alpha masks."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
"""[H, W], 0 to 255"""

_SHIFT: Final = 4
"""Bits of the sub-pixel part of OpenCV's coordinates."""


def draw_outline(rng: Generator, side: int) -> Mask:
    """A polygon, a star, a blob, an ellipse, a ring or a bent bar in a square of `side` pixels."""
    kind = int(rng.integers(6))
    if kind == 0:
        return polygon(rng, side)
    if kind == 1:
        return star(rng, side)
    if kind == 2:
        return ellipse(rng, side)
    if kind == 3:
        return bar(rng, side)
    return blob(rng, side, holes=kind == 4)


def polygon(rng: Generator, side: int) -> Mask:
    """Three to eight corners around the middle."""
    corners = int(rng.integers(3, 9))
    angles = np.sort(
        rng.uniform(0, 2 * math.pi, corners) * 0.3 + np.arange(corners) * 2 * math.pi / corners
    )
    radii = rng.uniform(0.55, 1.0, corners)
    return _fill(angles, radii, side)


def star(rng: Generator, side: int) -> Mask:
    """Three to seven spikes."""
    spikes = int(rng.integers(3, 8))
    angles = np.arange(2 * spikes) * math.pi / spikes + rng.uniform(0, math.pi)
    radii = np.where(np.arange(2 * spikes) % 2 == 0, 1.0, rng.uniform(0.3, 0.75))
    return _fill(angles, radii, side)


def blob(rng: Generator, side: int, *, holes: bool = False) -> Mask:
    """A smooth closed curve with lobes, perhaps with a hole."""
    angles = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    radii = np.ones(64)
    for order in range(2, 7):
        size = rng.uniform(0, 0.6 / order)
        radii += size * np.cos(order * angles + rng.uniform(0, 2 * math.pi))
    mask = _fill(angles, np.maximum(radii, 0.2) / radii.max(), side)
    if holes:
        middle = (side // 2 + int(rng.integers(-side // 10, side // 10 + 1)), side // 2)
        cv2.circle(mask, middle, round(side * rng.uniform(0.08, 0.22)), 0, -1, cv2.LINE_AA)
    return mask


def ellipse(rng: Generator, side: int) -> Mask:
    """Also a circle; the longer axis fills the square."""
    mask = np.zeros((side, side), np.uint8)
    half = side / 2 - 2
    axes = (round(half), round(half * rng.uniform(0.4, 1.0)))
    cv2.ellipse(
        mask, (side // 2, side // 2), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA
    )
    return mask


def bar(rng: Generator, side: int) -> Mask:
    """A thick bent line: a snake, a hose, a limb."""
    mask = np.zeros((side, side), np.uint8)
    width = side * rng.uniform(0.12, 0.28)
    along = np.linspace(width / 2 + 2, side - width / 2 - 2, 24)
    across = side / 2 + (side / 2 - width / 2 - 2) * rng.uniform(0.2, 1.0) * np.sin(
        along / side * rng.uniform(2, 8) + rng.uniform(0, 6)
    )
    points = np.stack((along, across), 1) * 2**_SHIFT
    cv2.polylines(
        mask,
        [points.round().astype(np.int32)],
        False,
        255,
        max(round(width), 3),
        cv2.LINE_AA,
        _SHIFT,
    )
    return mask


def _fill(angles: NDArray[np.floating], radii: NDArray[np.floating], side: int) -> Mask:
    mask = np.zeros((side, side), np.uint8)
    reach = side / 2 - 2
    points = side / 2 + reach * radii[:, None] * np.stack((np.cos(angles), np.sin(angles)), 1)
    cv2.fillPoly(mask, [(points * 2**_SHIFT).round().astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
    return mask
