"""Clip: made-up video as a decoder hands it over, for what is timed as the service runs it."""

from collections.abc import Sequence

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from sam2_rt.data.ball_clip import make_clip
from sam2_rt.tracking.frame import Frame, Plane


def planes_of(rgb: NDArray[np.uint8]) -> tuple[Plane, ...]:
    """RGB pixels [H, W, 3] -> I420 planes, BT.601, limited range."""
    picture = VideoFrame.from_ndarray(rgb, format="rgb24")
    small = picture.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
    height, width = rgb.shape[:2]
    half = (height + 1) // 2, (width + 1) // 2
    planes = []
    for plane, (rows, columns) in zip(small.planes, ((height, width), half, half), strict=True):
        whole = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        planes.append(whole[:rows, :columns].copy())
    return tuple(planes)


def clip_planes(count: int) -> Sequence[tuple[Plane, ...]]:
    """So many pictures of one clip."""
    return [planes_of(picture.rgb) for picture in make_clip(0, count)]


def clip(count: int) -> list[Frame]:
    """So many frames, numbered from 0."""
    return [Frame(pts, planes) for pts, planes in enumerate(clip_planes(count))]
