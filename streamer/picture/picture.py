"""Decoded video frames to Frames and back: planes are copied row by row, lines may be padded."""

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from sam2_rt.tracking.frame import Frame

TIME_BASE: Final = Fraction(1, 90_000)
"""Of WebRTC's video clock."""

FORMAT: Final = "yuv420p"
"""The one pixel format of the service: I420, limited range."""


def to_frame(picture: av.VideoFrame) -> Frame:
    """A copy of the picture's planes; another pixel format is converted first.

    The picture has a pts in TIME_BASE.
    """
    if picture.format.name != FORMAT:
        picture = picture.reformat(format=FORMAT)
    assert picture.pts is not None
    height, width = picture.height, picture.width
    sizes = ((height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2)
    return Frame(
        picture.pts,
        tuple(_view(p, *size).copy() for p, size in zip(picture.planes, sizes, strict=True)),
    )


def to_picture(frame: Frame) -> av.VideoFrame:
    """A new picture with the frame's planes and pts."""
    picture = av.VideoFrame(frame.width, frame.height, FORMAT)
    for plane, source in zip(picture.planes, frame.planes, strict=True):
        _view(plane, *source.shape)[:] = source
    picture.pts = frame.pts
    picture.time_base = TIME_BASE
    return picture


def _view(plane: VideoPlane, height: int, width: int) -> NDArray[np.uint8]:
    """The plane's pixels [height, width] in place: its lines are `line_size` bytes apart."""
    lines = np.frombuffer(memoryview(plane), np.uint8)[: height * plane.line_size]
    return lines.reshape(height, plane.line_size)[:, :width]
