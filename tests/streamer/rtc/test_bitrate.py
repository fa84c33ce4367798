from collections.abc import Iterator

import pytest
from aiortc.codecs import h264, vpx
from aiortc.codecs.h264 import H264Encoder

from streamer.rtc.bitrate import use_bounds
from streamer.rtc.vp8_encoder import ExactVp8Encoder

NAMES = ("DEFAULT_BITRATE", "MIN_BITRATE", "MAX_BITRATE")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = {(codec, name): getattr(codec, name) for codec in (vpx, h264) for name in NAMES}
    yield
    for (codec, name), value in before.items():
        setattr(codec, name, value)


@pytest.mark.parametrize("encoder_class", [ExactVp8Encoder, H264Encoder])
def test_encoders_begin_and_stay_within_the_bounds(
    encoder_class: type[ExactVp8Encoder | H264Encoder],
):
    use_bounds(1_200_000, 400_000, 2_000_000)
    encoder = encoder_class()
    assert encoder.target_bitrate == 1_200_000
    encoder.target_bitrate = 10_000_000
    assert encoder.target_bitrate == 2_000_000
    encoder.target_bitrate = 1
    assert encoder.target_bitrate == 400_000
