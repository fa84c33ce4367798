"""A frame of one's own: several connections may send the same one, each on its own thread."""

import av
import numpy as np
from av.video.plane import VideoPlane
from numpy.typing import NDArray


def own_frame(frame: av.VideoFrame) -> av.VideoFrame:
    """A copy of a picture, without its times."""
    return cropped(frame, frame.width, frame.height)


def cropped(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """A copy of a picture's upper left part, without its times."""
    part = av.VideoFrame(width, height, frame.format.name)
    for source, target in zip(frame.planes, part.planes, strict=True):
        _pixels(target, target)[:] = _pixels(source, target)
    return part


def _pixels(plane: VideoPlane, size: VideoPlane) -> NDArray[np.uint8]:
    """The first pixels of a plane, in place, as many as the other has: its lines may be padded."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return lines[: size.height, : size.width]
