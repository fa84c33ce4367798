"""Superpixels: pieces of photographs whose edges are the picture's own; nobody labelled them."""

from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

_SIDE: Final = 112
"""Pieces are found in a copy of this longer side, pixels."""
_STEP: Final = 11
"""Between the seeds that pieces grow from, pixels of the copy."""


def draw_piece(rng: Generator, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A connected part of a picture [H, W, 3] as a smooth mask [H, W] of 0 and 255.

    Grown from a random superpixel by the neighbours most like it, to 3 to 25 % of the picture.
    """
    height, width = rgb.shape[:2]
    factor = _SIDE / max(height, width)
    size = (max(round(width * factor), 16), max(round(height * factor), 16))
    small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    small = np.asarray(cv2.medianBlur(small, 3), np.uint8)
    labels, count = _grow_cells(rng, small)
    members = _join(rng, small, labels, count)
    mask = np.isin(labels, members).astype(np.uint8) * np.uint8(255)
    large = cv2.resize(mask, (width, height), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(large, (0, 0), 1.2 / factor / 2)
    return np.asarray(cv2.threshold(soft, 127, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _grow_cells(rng: Generator, small: NDArray[np.uint8]) -> tuple[NDArray[np.int32], int]:
    """Watersheds from a jittered grid of seeds: labels [h, w] from 1 to count."""
    height, width = small.shape[:2]
    rows = np.arange(_STEP // 2, height, _STEP)
    columns = np.arange(_STEP // 2, width, _STEP)
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    y = np.clip(y + rng.integers(-_STEP // 3, _STEP // 3 + 1, y.size), 0, height - 1)
    x = np.clip(x + rng.integers(-_STEP // 3, _STEP // 3 + 1, x.size), 0, width - 1)
    markers = np.zeros((height, width), np.int32)
    markers[y, x] = np.arange(1, y.size + 1)
    labels = cv2.watershed(small, markers).astype(np.int32)
    # Watersheds are lines of -1; they go to the cell beside them.
    filled = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
    return np.where(labels > 0, labels, np.maximum(filled, 1)), int(y.size)


def _join(
    rng: Generator, small: NDArray[np.uint8], labels: NDArray[np.int32], count: int
) -> NDArray[np.int64]:
    """Labels of a connected union of alike cells."""
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float64).reshape(-1, 3)
    sums = [np.bincount(labels.ravel(), lab[:, channel], count + 1) for channel in range(3)]
    colours = np.stack(sums, 1) / np.maximum(areas, 1)[:, None]
    touching = np.zeros((count + 1, count + 1), np.bool_)
    touching[labels[:, :-1], labels[:, 1:]] = True
    touching[labels[:-1], labels[1:]] = True
    touching |= touching.T
    inner = np.unique(labels[2:-2, 2:-2])
    first = int(rng.choice(inner))
    wanted = rng.uniform(0.03, 0.25) * labels.size
    inside = np.zeros(count + 1, np.bool_)
    inside[first] = True
    patience = rng.uniform(18, 60)
    while areas[inside].sum() < wanted:
        beside = np.flatnonzero(touching[inside].any(axis=0) & ~inside)
        if beside.size == 0:
            break
        away = np.linalg.norm(colours[beside] - colours[inside].mean(axis=0), axis=1)
        nearest = int(away.argmin())
        if away[nearest] > patience and areas[inside].sum() > 0.02 * labels.size:
            break
        inside[beside[nearest]] = True
    return np.flatnonzero(inside)
