"""H.264 for live video: fast, with bounded bursts, and one codec for as long as the size lasts.

aiortc 1.16 opens x264 with its preset `medium`, which cannot hold 720p30, without a bound for key
frames, at level 3.1 whatever the size, and anew, with a key frame, whenever the bitrate moves by a
tenth: at every second estimate of the link. Importing this module mends the process.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import aiortc.codecs
import av
from aiortc.codecs import h264
from aiortc.codecs.h264 import MAX_FRAME_RATE, H264Encoder
from av.video.codeccontext import VideoCodecContext

from streamer.rtc.own_frame import cropped

VBV_S: Final = 0.1
"""What the codec may send at once, in seconds of the highest bitrate: the size of a key frame."""
_MAX_KEY_INTERVAL: Final = 3000
"""Frames; as aiortc's for VP8. Whoever lost something asks for a key frame."""
_LEVELS: Final = ((31, 3600), (40, 8192), (50, 22_080), (51, 36_864))
"""Macroblocks a frame by level (ITU-T H.264, table A-1), those that also hold 30 frames a second.
3.1 is what aiortc offers; beyond it, browsers go by what the stream itself says."""


class FastH264Encoder(H264Encoder):
    """As aiortc's, with x264 told what live video needs, and its bitrate changed as it runs."""

    def _encode_frame(self, frame: av.VideoFrame, force_keyframe: bool) -> Iterator[bytes]:  # noqa: FBT001 (aiortc's)
        frame = _even(frame)
        codec = self.codec
        if codec is None or (codec.width, codec.height) != (frame.width, frame.height):
            self.buffer_data = b""
            self.buffer_pts = None
            codec = self.codec = _opened(frame.width, frame.height)
        # FFmpeg tells x264 with the next frame. To aiortc the codec fits then, and is kept.
        codec.bit_rate = self.target_bitrate
        return super()._encode_frame(frame, force_keyframe)


def level_of(width: int, height: int) -> int:
    """Ten times the level of a size in pixels; the highest one for what is beyond all."""
    macroblocks = -(-width // 16) * -(-height // 16)
    return next((level for level, most in _LEVELS if macroblocks <= most), _LEVELS[-1][0])


def _opened(width: int, height: int) -> VideoCodecContext:
    """At the highest bitrate, and constant: x264 then takes lower ones without being opened anew.

    It follows a new bitrate only where it has a buffer model (VBV), and keeps to the model's rate
    only where both were the same in the beginning.
    """
    codec = av.CodecContext.create("libx264", "w")
    codec.width = width
    codec.height = height
    codec.bit_rate = h264.MAX_BITRATE
    codec.pix_fmt = "yuv420p"
    codec.framerate = Fraction(MAX_FRAME_RATE, 1)
    codec.time_base = Fraction(1, MAX_FRAME_RATE)
    codec.gop_size = _MAX_KEY_INTERVAL
    codec.options = {
        "level": str(level_of(width, height)),
        "tune": "zerolatency",
        "preset": "ultrafast",
        "maxrate": str(h264.MAX_BITRATE),
        "bufsize": str(round(VBV_S * h264.MAX_BITRATE)),
    }
    codec.profile = "Baseline"
    codec.open()
    return codec


def _even(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame less its last odd row and column: x264 halves the chroma and takes no odd sizes."""
    if frame.width % 2 == 0 and frame.height % 2 == 0:
        return frame
    even = cropped(frame, frame.width // 2 * 2, frame.height // 2 * 2)
    even.pts, even.time_base = frame.pts, frame.time_base
    return even


# get_encoder() looks the class up by this name.
aiortc.codecs.H264Encoder = FastH264Encoder  # type: ignore[attr-defined]
