"""Plays the user who knows the truth: where a person would click, and the box they would draw."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.tracking.prompt import Point

Mask = NDArray[np.bool_]


def first_click(mask: Mask) -> Point:
    """A click in the middle of an object: at the pixel farthest from the outline.

    mask [H, W] with at least one pixel; the border of the picture counts as outline. Where several
    pixels are equally far, the topmost, then leftmost.
    """
    _, place = _deepest(mask)
    return _click(place, mask, is_positive=True)


def corrective_click(truth: Mask, found: Mask) -> Point | None:
    """A click in the middle of the largest error of a mask, or None where there is no error.

    truth and found [H, W]. Missed pixels ask for a positive click, excess ones for a negative one.
    The largest error is the one whose inside reaches farthest from its outline, as in the
    evaluation of interactive segmentation that the paper follows: long thin rims, which no click
    mends, weigh little. Between equals the missed one.
    """
    missed, excess = truth & ~found, found & ~truth
    if not missed.any() and not excess.any():
        return None
    depth_missed, place_missed = _deepest(missed)
    depth_excess, place_excess = _deepest(excess)
    if depth_missed >= depth_excess:
        return _click(place_missed, truth, is_positive=True)
    return _click(place_excess, truth, is_positive=False)


def box_of(mask: Mask) -> tuple[float, float, float, float]:
    """The tightest box around an object: x0, y0, x1, y1 in 0..1 of the picture.

    mask [H, W] with at least one pixel; its outermost pixels lie within the box.
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert rows.size, "an empty mask has no box"
    return (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )


def _deepest(region: Mask) -> tuple[float, tuple[int, int]]:
    """How far the pixel farthest from the region's outline is from it, and its row and column."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if not rows.size:
        return 0.0, (0, 0)
    top, left = int(rows[0]), int(columns[0])
    cropped = region[top : rows[-1] + 1, left : columns[-1] + 1]
    padded = np.pad(cropped.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(depth.max()), (top + int(row) - 1, left + int(column) - 1)


def _click(place: tuple[int, int], mask: Mask, *, is_positive: bool) -> Point:
    """A click at the centre of a pixel."""
    (row, column), (height, width) = place, mask.shape
    return Point((column + 0.5) / width, (row + 0.5) / height, is_positive)
