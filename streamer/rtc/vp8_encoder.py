"""VP8 whose RTP timestamps are exactly the frames' pts: aiortc's may be one tick early.

aiortc 1.16 reads the pts after encoding, when FFmpeg has rescaled it to microseconds and back;
masks and pictures could then not be joined by equality. Importing this module mends the process.
"""

import aiortc.codecs
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.mediastreams import VIDEO_TIME_BASE, convert_timebase
from av.frame import Frame


class ExactVp8Encoder(Vp8Encoder):
    """As aiortc's, but the timestamp is taken before the codec touches the frame."""

    def encode(self, frame: Frame, force_keyframe: bool = False) -> tuple[list[bytes], int]:  # noqa: FBT001, FBT002 (aiortc's)
        """The frame's payloads, and its pts in 90 kHz ticks."""
        assert frame.pts is not None
        assert frame.time_base is not None
        timestamp = convert_timebase(frame.pts, frame.time_base, VIDEO_TIME_BASE)
        payloads, _ = super().encode(frame, force_keyframe)
        return payloads, timestamp


# get_encoder() looks the class up by this name.
aiortc.codecs.Vp8Encoder = ExactVp8Encoder  # type: ignore[attr-defined]
