from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs import CODECS, get_encoder
from aiortc.codecs.vpx import Vp8Encoder

from streamer.rtc.vp8_encoder import ExactVp8Encoder


def num_inexact(encoder: object) -> int:
    """Of 60 frames at odd times: how many leave with another timestamp than their pts."""
    steps = np.random.default_rng(2).integers(1, 9000, 60)
    count = 0
    for pts in np.cumsum(steps).tolist():
        frame = av.VideoFrame(32, 32, "yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, 90_000)
        count += encoder.encode(frame)[1] != pts
    return count


@pytest.mark.parametrize("name", ["VP8", "H264"])
def test_every_timestamp_is_the_frame_s_pts(name: str):
    codec = next(c for c in CODECS["video"] if c.name == name)
    assert num_inexact(get_encoder(codec)) == 0


def test_aiortc_makes_vp8_with_ours():
    assert isinstance(get_encoder(CODECS["video"][0]), ExactVp8Encoder)


def test_aiortc_s_own_is_still_inexact():
    assert num_inexact(Vp8Encoder()) > 0  # when this fails, our encoder can go
