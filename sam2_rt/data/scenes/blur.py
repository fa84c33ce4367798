"""Motion blur: a picture smeared along a line, as while a shutter is open."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_SMEAR: Final = 11.0
"""Pixels; longer smears cost more and hide what is to be learned."""


def smear_of(matrices: NDArray[np.float64], index: int, shutter: float) -> tuple[float, float]:
    """How far the middle of a picture moves while the shutter is open, x and y in pixels.

    matrices [T, 3, 3] map a picture that spans -1 to 1; shutter is a share of a frame's time.
    """
    last = len(matrices) - 1
    if shutter == 0 or last <= 0:
        return 0.0, 0.0
    before, after = max(index - 1, 0), min(index + 1, last)
    x, y = (matrices[after] - matrices[before])[:2, 2] / (after - before) * shutter
    length = math.hypot(x, y)
    factor = min(1.0, MAX_SMEAR / length) if length else 0.0
    return float(x * factor), float(y * factor)


def smear(picture: NDArray[np.uint8], by: tuple[float, float]) -> NDArray[np.uint8]:
    """[H, W, C] averaged along a line through each pixel; less than 1.5 pixels change nothing."""
    if math.hypot(*by) < 1.5:
        return picture
    half = math.ceil(max(abs(by[0]), abs(by[1])) / 2)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    middle = np.array((half, half))
    ends = np.stack((middle - np.array(by) / 2, middle + np.array(by) / 2))
    first, second = (ends * 16).round().astype(int).tolist()
    cv2.line(kernel, first, second, 255, 1, cv2.LINE_AA, 4)
    weights = kernel.astype(np.float32) / kernel.sum()
    return np.asarray(cv2.filter2D(picture, -1, weights, borderType=cv2.BORDER_REPLICATE), np.uint8)
