"""VP8 with exact timestamps, and one codec for as long as the size lasts.

aiortc 1.16 reads the pts after encoding, when FFmpeg has rescaled it to microseconds and back, so
that masks and pictures could not be joined by equality. And it opens libvpx anew, with a key frame,
whenever the bitrate moves by a tenth: at every second estimate of the link. FFmpeg cannot tell
libvpx a new bitrate; but libvpx spends bits by its clock, and the clock is ours: at twice its pace
it spends twice the bits. Importing this module mends the process.
"""

import math
import os
from fractions import Fraction
from typing import Final

import aiortc.codecs
import av
from aiortc.codecs import vpx
from aiortc.codecs.vpx import MAX_FRAME_RATE, Vp8Encoder, number_of_threads
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase
from av.frame import Frame
from av.video.codeccontext import VideoCodecContext

from streamer.rtc.own_frame import own_frame

MAX_KEY_PERCENT: Final = 600
"""Of the mean frame: how large a key frame may be; six frames are a fifth of a second."""

_TICK: Final = Fraction(1, 1_000_000)
"""Of the codec's clock, in its own seconds."""
OPTIONS: Final = {  # aiortc's but for the last, and less one that FFmpeg does not know
    "cpu-used": "-6",
    "deadline": "realtime",
    "lag-in-frames": "0",
    "noise-sensitivity": "4",
    "overshoot-pct": "15",
    "static-thresh": "1",
    "undershoot-pct": "100",
    "max-intra-rate": str(MAX_KEY_PERCENT),
}
"""Of libvpx, for video that is shown as it comes."""


class ExactVp8Encoder(Vp8Encoder):
    """As aiortc's, but the timestamp is the frame's, and a new bitrate opens no new codec."""

    def __init__(self) -> None:
        super().__init__()
        self._opened_bps = 0
        """What the codec takes for its bitrate."""
        self._last_ticks = 0
        """Of the frame before, on the frames' clock."""
        self._codec_s = 0.0
        """Of the frame before, on the codec's clock."""

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:  # noqa: FBT001, FBT002 (aiortc's)
        """The frame's payloads, and its pts in 90 kHz ticks."""
        assert isinstance(frame, av.VideoFrame)
        assert frame.pts is not None
        assert frame.time_base is not None
        timestamp = convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)
        codec = self.codec
        if codec is None or (codec.width, codec.height) != (frame.width, frame.height):
            self._opened_bps = round(math.sqrt(vpx.MIN_BITRATE * vpx.MAX_BITRATE))
            codec = self.codec = _opened(frame.width, frame.height, self._opened_bps)
            self._codec_s, self._last_ticks = 0.0, timestamp
        elapsed_s = float((timestamp - self._last_ticks) * VIDEO_TIME_BASE)
        pace = self.target_bitrate / self._opened_bps
        self._codec_s += max(elapsed_s * pace, float(_TICK))  # libvpx takes no time twice
        self._last_ticks = timestamp
        codec.bit_rate = self.target_bitrate  # so that aiortc takes it for fitting
        if frame.format.name != "yuv420p":
            frame = frame.reformat(format="yuv420p")
        own = own_frame(frame)  # whose times are the codec's: another sender may read the frame's
        own.pts, own.time_base = math.ceil(self._codec_s / _TICK), _TICK
        payloads, _ = super().encode(own, force_keyframe)
        return payloads, timestamp


def _opened(width: int, height: int, bps: int) -> VideoCodecContext:
    """As aiortc opens it: a constant bitrate, with a second of it for a buffer."""
    codec = av.CodecContext.create("libvpx", "w")
    codec.width = width
    codec.height = height
    codec.bit_rate = bps
    codec.pix_fmt = "yuv420p"
    codec.framerate = Fraction(MAX_FRAME_RATE, 1)
    codec.time_base = _TICK
    codec.gop_size = 3000
    codec.qmin = 2
    codec.qmax = 56
    codec.options = {**OPTIONS, **dict.fromkeys(("bufsize", "minrate", "maxrate"), str(bps))}
    codec.thread_count = number_of_threads(width * height, os.cpu_count() or 1)
    codec.open()
    return codec


# get_encoder() looks the class up by this name.
aiortc.codecs.Vp8Encoder = ExactVp8Encoder  # type: ignore[attr-defined]
