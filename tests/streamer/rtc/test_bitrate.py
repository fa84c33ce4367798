from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack
from aiortc.codecs import CODECS, depayload, get_encoder, h264, vpx
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci

from streamer.rtc.bitrate import use_bounds
from streamer.rtc.h264_encoder import FastH264Encoder
from streamer.rtc.vp8_encoder import ExactVp8Encoder

NAMES = ("DEFAULT_BITRATE", "MIN_BITRATE", "MAX_BITRATE")
BOUNDS = (1_500_000, 250_000, 3_000_000)
VP8, H264 = (next(c for c in CODECS["video"] if c.name == name) for name in ("VP8", "H264"))
SIZE = (96, 160)
NOISE = np.random.default_rng(0).integers(0, 256, (SIZE[0] + 64, SIZE[1] + 64), np.uint8)


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


class Noise(VideoStreamTrack):
    """Pictures that cost a codec all bits that it may spend, 30 a second of their own clock."""

    def __init__(self) -> None:
        super().__init__()
        self.num_sent = 0

    async def recv(self) -> av.VideoFrame:
        frame = av.VideoFrame(SIZE[1], SIZE[0], "yuv420p")
        y, x = (step * self.num_sent % 64 for step in (7, 11))
        planes = [NOISE[y : y + SIZE[0], x : x + SIZE[1]], *[np.full((48, 80), 128, np.uint8)] * 2]
        for plane, pixels in zip(frame.planes, planes, strict=True):
            lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            lines[: pixels.shape[0], : pixels.shape[1]] = pixels
        frame.pts, frame.time_base = 3000 * self.num_sent, Fraction(1, 90_000)
        self.num_sent += 1
        return frame


class Link:
    """aiortc's sender of a track, and a receiver that tells it what its link can carry."""

    def __init__(self, codec, encoder) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.sender = self.connection.addTrack(Noise())
        self.sender._RTCRtpSender__encoder = encoder
        self.codec, self.encoder = codec, encoder
        self.opened = []
        """Each codec once, kept so that none has the place of another."""
        self.num_keys = 0

    async def estimate(self, bps: int) -> None:
        """A real REMB message (draft-alvestrand-rmcat-remb)."""
        fci = pack_remb_fci(bps, [self.sender._ssrc])
        packet = RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)
        await self.sender._handle_rtcp_packet(packet)

    async def send(self, count: int) -> int:
        """Bits of so many frames."""
        sent = 0
        for _ in range(count):
            encoded = await self.sender._next_encoded_frame(self.codec)
            assert encoded is not None
            data = b"".join(depayload(self.codec, payload) for payload in encoded.payloads)
            self.num_keys += is_key(self.codec, data)
            sent += 8 * len(data)
            if not any(self.encoder.codec is codec for codec in self.opened):
                self.opened.append(self.encoder.codec)
        return sent


def is_key(codec, data: bytes) -> bool:
    """RFC 6386, section 9.1: the lowest bit of a frame; H.264, table 7-1: a slice of type 5."""
    if codec is VP8:
        return data[0] & 1 == 0
    return any(unit[0] & 0x1F == 5 for unit in data.split(b"\x00\x00\x00\x01") if unit)


def estimates() -> list[int]:
    """As a receiver's: 8 % more a second until the link is full, then 15 % less; 40 seconds."""
    found = [1_500_000.0]
    while len(found) < 40:
        found.append(found[-1] * (0.85 if found[-1] > 1_900_000 else 1.08))
    return [round(bps) for bps in found]


async def over_the_estimates(codec, encoder) -> Link:
    link = Link(codec, encoder)
    for bps in estimates():
        await link.estimate(bps)
        assert encoder.target_bitrate == pytest.approx(bps, rel=0.001), "REMB has 18 bits"
        await link.send(2)
    await link.connection.close()
    return link


@pytest.mark.parametrize("codec", [VP8, H264], ids=["vp8", "h264"])
async def test_estimates_of_the_link_open_no_new_codec_and_cost_no_key_frame(codec):
    use_bounds(*BOUNDS)
    encoder = get_encoder(codec)
    assert isinstance(encoder, (ExactVp8Encoder, FastH264Encoder))
    link = await over_the_estimates(codec, encoder)
    assert (len(link.opened), link.num_keys) == (1, 1)


@pytest.mark.parametrize(("codec", "stock"), [(VP8, Vp8Encoder), (H264, H264Encoder)])
async def test_aiortc_s_own_opens_a_codec_at_every_other_estimate(codec, stock):
    use_bounds(*BOUNDS)
    link = await over_the_estimates(codec, stock())
    assert len(link.opened) > 15  # when this fails, ours may be no longer needed
    assert link.num_keys == len(link.opened)


@pytest.mark.parametrize("codec", [VP8, H264], ids=["vp8", "h264"])
async def test_what_is_sent_follows_the_estimate_up_and_down(codec):
    use_bounds(*BOUNDS)
    link = Link(codec, get_encoder(codec))
    for bps in (800_000, 2_000_000, 1_000_000, 1_500_000):
        await link.estimate(bps)
        await link.send(15)  # until the codec has settled
        assert 0.7 * bps < await link.send(60) / 2 < 1.15 * bps
    assert (len(link.opened), link.num_keys) == (1, 1)
    await link.connection.close()


@pytest.mark.parametrize(("codec", "seconds"), [(VP8, 0.25), (H264, 0.15)], ids=["vp8", "h264"])
async def test_a_key_frame_takes_the_link_for_a_moment_only(codec, seconds: float):
    use_bounds(*BOUNDS)
    link = Link(codec, get_encoder(codec))
    await link.estimate(BOUNDS[2])
    await link.send(30)
    link.sender._send_keyframe()
    assert await link.send(1) < seconds * BOUNDS[2]
    assert link.num_keys == 2
    await link.connection.close()
