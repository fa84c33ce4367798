"""Textures that need no photograph: clouds, gradients, stripes, cells, checks."""

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""[H, W, 3], RGB"""


def draw_texture(rng: Generator, height: int, width: int) -> Picture:
    """Any of the kinds, sometimes two of them mixed."""
    kinds = (clouds, gradient, stripes, cells, checks)
    picture = kinds[int(rng.integers(len(kinds)))](rng, height, width)
    if rng.random() < 0.5:
        other = clouds(rng, height, width)
        picture = np.asarray(cv2.addWeighted(picture, 0.7, other, 0.3, 0), np.uint8)
    return picture


def clouds(rng: Generator, height: int, width: int) -> Picture:
    """Smooth noise in several octaves between colours of a small palette."""
    total = np.zeros((height, width), np.float32)
    for octave in range(int(rng.integers(1, 5))):
        cell = max(2, 3 * 2**octave)
        grid = rng.random((cell, cell), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return _colour(rng, _stretch(total))


def gradient(rng: Generator, height: int, width: int) -> Picture:
    """From one colour to another, in a straight line or from a point."""
    y, x = _grid(height, width)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * math.pi)
        level = x * math.cos(angle) + y * math.sin(angle)
    else:
        level = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5))
    return _colour(rng, _stretch(level))


def stripes(rng: Generator, height: int, width: int) -> Picture:
    """Straight or wavy, hard or soft."""
    y, x = _grid(height, width)
    angle, waves = rng.uniform(0, math.pi), rng.uniform(8, 60)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    level = np.sin(waves * along + rng.uniform(0, 3) * np.sin(rng.uniform(2, 9) * across))
    if rng.random() < 0.6:
        level = np.clip(level * 4, -1, 1)
    return _colour(rng, _stretch(level))


def cells(rng: Generator, height: int, width: int) -> Picture:
    """The plane shared out between random points, each with its own colour."""
    small_h, small_w, count = max(height // 3, 2), max(width // 3, 2), int(rng.integers(6, 40))
    points = rng.random((count, 2), dtype=np.float32) * (small_w, small_h)
    y, x = np.mgrid[0:small_h, 0:small_w].astype(np.float32)
    nearest = np.zeros((small_h, small_w), np.intp)
    best = np.full((small_h, small_w), np.inf, np.float32)
    for index, (px, py) in enumerate(points):
        distance = (x - px) ** 2 + (y - py) ** 2
        nearest[distance < best] = index
        np.minimum(best, distance, out=best)
    small = _palette(rng, count)[nearest]
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def checks(rng: Generator, height: int, width: int) -> Picture:
    """Tiles of two to four colours."""
    y, x = _grid(height, width)
    angle, size = rng.uniform(0, math.pi), rng.uniform(3, 14)
    along = np.floor((x * math.cos(angle) + y * math.sin(angle)) * size).astype(np.int64)
    across = np.floor((y * math.cos(angle) - x * math.sin(angle)) * size).astype(np.int64)
    count = int(rng.integers(2, 5))
    return _palette(rng, count)[(along * 3 + across * 5) % count]


def _palette(rng: Generator, count: int) -> Picture:
    """Colours around a common one, near or far: [count, 3]."""
    spread = rng.uniform(15, 120)
    colours = rng.uniform(20, 235, 3) + rng.uniform(-spread, spread, (count, 3))
    return np.clip(colours, 0, 255).astype(np.uint8)


def _colour(rng: Generator, level: NDArray[np.uint8]) -> Picture:
    """Levels 0 to 255 as colours of a ramp through three of a palette."""
    stops = _palette(rng, 3).astype(np.float32)
    ramp = cv2.resize(stops[:, None], (1, 256), interpolation=cv2.INTER_LINEAR)
    table = np.clip(ramp, 0, 255).astype(np.uint8).reshape(256, 1, 3)
    return np.asarray(cv2.LUT(cv2.cvtColor(level, cv2.COLOR_GRAY2RGB), table), np.uint8)


def _stretch(level: NDArray[np.floating]) -> NDArray[np.uint8]:
    low, high = float(level.min()), float(level.max())
    return ((level - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)


def _grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows [H, 1] and columns [1, W] from -0.5 to 0.5 of the longer side."""
    longer = max(height, width)
    rows = (np.arange(height, dtype=np.float32)[:, None] - height / 2) / longer
    columns = (np.arange(width, dtype=np.float32)[None] - width / 2) / longer
    return rows.astype(np.float32), columns.astype(np.float32)
