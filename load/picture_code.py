"""A number in a picture, which survives codecs: how a viewer knows a picture that comes back."""

from typing import Final

import av
import numpy as np
from av.video.plane import VideoPlane
from numpy.typing import NDArray

NUM_CODES: Final = 1 << 10
"""Numbers begin anew then: after half a minute at 30 a second."""

_BITS: Final = 10
_ROWS: Final = 8
"""Of pixels, for the number; below it as many for its complement, so that damage is noticed."""
_DARK, _MIDDLE, _LIGHT = 30, 125, 220


def draw(picture: av.VideoFrame, number: int) -> None:
    """Writes number mod NUM_CODES into the lowest rows of a picture's luma."""
    bits = [number >> bit & 1 for bit in range(_BITS)]
    luma = _luma(picture.planes[0], picture.height)
    cells = np.repeat(np.where(bits, _LIGHT, _DARK), picture.width // _BITS)
    luma[-2 * _ROWS : -_ROWS, : len(cells)] = cells
    luma[-_ROWS:, : len(cells)] = _LIGHT + _DARK - cells


def read(picture: av.VideoFrame) -> int | None:
    """The number; None where something else is seen."""
    width = picture.width // _BITS
    luma = _luma(picture.planes[0], picture.height)[-2 * _ROWS :, : width * _BITS]
    # Without the edges of cells, which codecs blur into each other.
    cells = luma.reshape(2, _ROWS, _BITS, width)[:, 2:-2, :, width // 4 : -(width // 4)]
    is_light = cells.mean(axis=(1, 3)) > _MIDDLE
    if (is_light[0] == is_light[1]).any():
        return None
    return sum(1 << bit for bit in range(_BITS) if is_light[0, bit])


def _luma(plane: VideoPlane, height: int) -> NDArray[np.uint8]:
    """[height, line] in place."""
    lines = np.frombuffer(memoryview(plane), np.uint8)[: height * plane.line_size]
    return lines.reshape(height, plane.line_size)
