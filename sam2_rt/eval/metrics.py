"""J and F of one mask against the truth, by the rules of DAVIS-2017. Pure functions of arrays."""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

BOUNDARY_TOLERANCE: Final = 0.008
"""How far outlines may lie apart and still match: a share of the picture's diagonal."""

Mask = NDArray[np.bool_]


def region_similarity(truth: Mask, found: Mask) -> float:
    """J: intersection over union of two masks [H, W], 0..1; two empty ones agree."""
    union = np.count_nonzero(truth | found)
    return np.count_nonzero(truth & found) / union if union else 1.0


def boundary_accuracy(truth: Mask, found: Mask) -> float:
    """F: harmonic mean of the shares of both outlines [H, W] that lie near the other, 0..1.

    Two empty masks agree. As in the benchmark, a mask of the whole picture has no outline either.
    """
    covered = truth | found
    if not covered.any():
        return 1.0
    radius = math.ceil(BOUNDARY_TOLERANCE * math.hypot(*truth.shape))
    place = _around(covered, radius + 1)
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    of_truth, of_found = outline(truth[place]), outline(found[place])
    precision = _share(of_found, cv2.dilate(of_truth, near))
    recall = _share(of_truth, cv2.dilate(of_found, near))
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def outline(mask: Mask) -> NDArray[np.uint8]:
    """Pixels of a mask [H, W] that differ from the one below, to the right or below right: 1.

    In the last row and column only the neighbour within the picture counts, as in the benchmark.
    """
    pixels = mask.astype(np.uint8)
    changes = np.zeros_like(pixels)
    changes[:, :-1] |= pixels[:, :-1] ^ pixels[:, 1:]
    changes[:-1] |= pixels[:-1] ^ pixels[1:]
    changes[:-1, :-1] |= pixels[:-1, :-1] ^ pixels[1:, 1:]
    return changes


@dataclass(slots=True)
class Tally:
    """J and F of one object, frame by frame."""

    js: list[float] = field(default_factory=list)
    fs: list[float] = field(default_factory=list)

    def add(self, truth: Mask, found: Mask) -> None:
        """Judges the masks [H, W] of one more frame."""
        self.js.append(region_similarity(truth, found))
        self.fs.append(boundary_accuracy(truth, found))

    def mean(self) -> tuple[float, float]:
        """J and F, each 0..1, over at least one frame."""
        assert self.js, "no frame was judged"
        return float(np.mean(self.js)), float(np.mean(self.fs))


def _share(edge: NDArray[np.uint8], area: NDArray[Any]) -> float:
    """The part of an outline that lies in an area; of no outline, all of it."""
    length = np.count_nonzero(edge)
    return np.count_nonzero(edge & area) / length if length else 1.0


def _around(mask: Mask, margin: int) -> tuple[slice, slice]:
    """The rows and columns that a mask covers, and a margin around them within the picture."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = max(int(rows[0]) - margin, 0), max(int(columns[0]) - margin, 0)
    return slice(top, int(rows[-1]) + 1 + margin), slice(left, int(columns[-1]) + 1 + margin)
