"""H.264 with a preset for live video: aiortc leaves x264 at `medium`, which cannot hold 720p30.

aiortc 1.16 opens the codec itself, with fixed options, when it has none that fits the frame; so
ours is put in its place before. Importing this module mends the process.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import aiortc.codecs
import av
import numpy as np
from aiortc.codecs.h264 import MAX_FRAME_RATE, H264Encoder
from av.video.codeccontext import VideoCodecContext
from av.video.plane import VideoPlane
from numpy.typing import NDArray

_OPTIONS: Final = {"level": "31", "tune": "zerolatency", "preset": "ultrafast"}
_BITRATE_SLACK: Final = 0.1
"""aiortc opens a new codec, with a key frame, when the bitrate is further off."""


class FastH264Encoder(H264Encoder):
    """As aiortc's, with the preset `ultrafast`."""

    def _encode_frame(self, frame: av.VideoFrame, force_keyframe: bool) -> Iterator[bytes]:  # noqa: FBT001 (aiortc's)
        frame = _even(frame)
        if not self._has_fitting_codec(frame):
            self.buffer_data = b""
            self.buffer_pts = None
            self.codec = self._open(frame.width, frame.height)
        return super()._encode_frame(frame, force_keyframe)

    def _has_fitting_codec(self, frame: av.VideoFrame) -> bool:
        codec = self.codec
        if codec is None or (codec.width, codec.height) != (frame.width, frame.height):
            return False
        assert codec.bit_rate is not None
        return abs(self.target_bitrate - codec.bit_rate) <= _BITRATE_SLACK * codec.bit_rate

    def _open(self, width: int, height: int) -> VideoCodecContext:
        codec = av.CodecContext.create("libx264", "w")
        codec.width = width
        codec.height = height
        codec.bit_rate = self.target_bitrate
        codec.pix_fmt = "yuv420p"
        codec.framerate = Fraction(MAX_FRAME_RATE, 1)
        codec.time_base = Fraction(1, MAX_FRAME_RATE)
        codec.options = _OPTIONS
        codec.profile = "Baseline"
        return codec


def _even(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame less its last odd row and column: x264 halves the chroma and takes no odd sizes."""
    if frame.width % 2 == 0 and frame.height % 2 == 0:
        return frame
    cropped = av.VideoFrame(frame.width // 2 * 2, frame.height // 2 * 2, frame.format.name)
    for source, target in zip(frame.planes, cropped.planes, strict=True):
        size = target.width, target.height
        _pixels(target, *size)[:] = _pixels(source, *size)
    cropped.pts, cropped.time_base = frame.pts, frame.time_base
    return cropped


def _pixels(plane: VideoPlane, width: int, height: int) -> NDArray[np.uint8]:
    """The plane's first pixels [height, width] in place."""
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return lines[:height, :width]


# get_encoder() looks the class up by this name.
aiortc.codecs.H264Encoder = FastH264Encoder  # type: ignore[attr-defined]
