from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs import CODECS, depayload, get_encoder, h264
from aiortc.codecs.h264 import H264Decoder, H264Encoder
from aiortc.jitterbuffer import JitterFrame

from streamer.rtc.h264_encoder import VBV_S, FastH264Encoder, level_of

CODEC = next(c for c in CODECS["video"] if c.name == "H264")


def picture(row: int, width: int = 64, height: int = 48) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 50 + row
    frame.pts, frame.time_base = 3000 * row, Fraction(1, 90_000)
    return frame


def access_unit(payloads: list[bytes]) -> bytes:
    return b"".join(depayload(CODEC, payload) for payload in payloads)


def kinds(payloads: list[bytes]) -> set[int]:
    """NAL unit types; 5 is a key frame's slice (ITU-T H.264, table 7-1)."""
    return {unit[0] & 0x1F for unit in access_unit(payloads).split(b"\x00\x00\x00\x01") if unit}


def test_aiortc_makes_h264_with_ours():
    assert isinstance(get_encoder(CODEC), FastH264Encoder)


def test_x264_is_told_to_be_fast():
    # x264 writes its settings into the first access unit: subme=0 is that of ultrafast.
    assert b"subme=0" in access_unit(FastH264Encoder().encode(picture(0))[0])
    assert b"subme=0" not in access_unit(H264Encoder().encode(picture(0))[0])


def test_key_frames_come_first_on_request_and_at_a_new_size_only():
    encoder = FastH264Encoder()
    assert 5 in kinds(encoder.encode(picture(0))[0])
    assert 5 not in kinds(encoder.encode(picture(1))[0])
    assert 5 in kinds(encoder.encode(picture(2), force_keyframe=True)[0])
    assert 5 not in kinds(encoder.encode(picture(3))[0])
    assert 5 in kinds(encoder.encode(picture(4, width=96))[0])


def test_a_new_bitrate_is_taken_without_a_new_codec():
    encoder = FastH264Encoder()
    encoder.encode(picture(0))
    first = encoder.codec
    encoder.target_bitrate = 2 * encoder.target_bitrate
    assert 5 not in kinds(encoder.encode(picture(1))[0])
    assert encoder.codec is first


@pytest.mark.parametrize(
    ("width", "height", "level"),
    [
        *[(640, 360, 31), (1280, 720, 31), (720, 1280, 31), (1296, 720, 40), (1920, 1080, 40)],
        *[(1920, 1200, 50), (2560, 1440, 50), (3840, 2160, 51), (7680, 4320, 51)],
    ],
)
def test_the_level_is_the_lowest_that_holds_the_size(width: int, height: int, level: int):
    assert level_of(width, height) == level


@pytest.mark.parametrize(("width", "level"), [(64, 31), (1920, 40)])
def test_the_stream_says_its_level(width: int, level: int):
    data = access_unit(FastH264Encoder().encode(picture(0, width, 48 if width == 64 else 1080))[0])
    (parameters,) = (u for u in data.split(b"\x00\x00\x00\x01") if u and u[0] & 0x1F == 7)
    assert parameters[3] == level  # level_idc (ITU-T H.264, section 7.3.2.1.1)


def test_x264_has_a_bound_for_what_it_sends_at_once():
    # x264 writes its settings into the first access unit.
    ours = access_unit(FastH264Encoder().encode(picture(0))[0])
    kilobits = round(VBV_S * h264.MAX_BITRATE / 1000)
    assert f"vbv_bufsize={kilobits}".encode() in ours
    assert b"vbv_bufsize" not in access_unit(H264Encoder().encode(picture(0))[0])


def test_what_it_encodes_can_be_decoded():
    encoder, decoder = FastH264Encoder(), H264Decoder()
    levels = []
    for row in range(5):
        payloads, timestamp = encoder.encode(picture(row))
        frames = decoder.decode(JitterFrame(access_unit(payloads), timestamp))
        levels += [int(frame.to_ndarray()[:48].mean()) for frame in frames]
    assert len(levels) >= 4
    assert all(abs(level - 50 - row) <= 2 for row, level in enumerate(levels))


@pytest.mark.parametrize(
    ("width", "height", "even"), [(65, 48, (64, 48)), (64, 49, (64, 48)), (97, 51, (96, 50))]
)
def test_an_odd_row_or_column_is_left_out(width: int, height: int, even: tuple[int, int]):
    encoder, decoder = FastH264Encoder(), H264Decoder()
    seen = []
    for row in range(3):
        payloads, timestamp = encoder.encode(picture(row, width, height))
        assert timestamp == 3000 * row
        seen += decoder.decode(JitterFrame(access_unit(payloads), timestamp))
    assert {(frame.width, frame.height) for frame in seen} == {even}
    assert abs(int(seen[0].to_ndarray().mean()) - 50) <= 2
