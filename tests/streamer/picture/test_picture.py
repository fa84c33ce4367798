from fractions import Fraction

import av
import numpy as np
import pytest

from sam2_rt.tracking.frame import Frame
from streamer.picture.picture import TIME_BASE, to_frame, to_picture


def frame(height: int, width: int) -> Frame:
    random = np.random.default_rng(height * width)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    sizes = ((height, width), chroma, chroma)
    return Frame(41, tuple(random.integers(16, 236, size, np.uint8) for size in sizes))


@pytest.mark.parametrize(("height", "width"), [(360, 640), (361, 641), (2, 2), (1, 1), (90, 162)])
def test_planes_survive_padded_lines_and_odd_sizes(height: int, width: int):
    original = frame(height, width)
    picture = to_picture(original)
    assert (picture.pts, picture.time_base) == (41, TIME_BASE)
    back = to_frame(picture)
    assert back.pts == 41
    assert all(map(np.array_equal, back.planes, original.planes))


def test_a_frame_does_not_share_the_memory_of_its_picture():
    picture = to_picture(frame(4, 4))
    copied = to_frame(picture)
    np.frombuffer(memoryview(picture.planes[0]), np.uint8)[:] = 0
    assert (copied.planes[0] >= 16).all()


def test_full_range_and_rgb_pictures_become_limited_range():
    white = np.full((8, 8, 3), 255, np.uint8)
    for picture in (
        av.VideoFrame.from_ndarray(white, format="rgb24"),
        av.VideoFrame.from_ndarray(white, format="rgb24").reformat(format="yuvj420p"),
    ):
        picture.pts, picture.time_base = 3, Fraction(1, 90_000)
        converted = to_frame(picture)
        assert converted.pts == 3
        assert np.abs(converted.planes[0].astype(int) - 235).max() <= 1
        assert np.abs(converted.planes[1].astype(int) - 128).max() <= 1
