"""RTP timestamps as they are on the wire: aiortc hides both origins."""

from typing import Any, Final

from aiortc import RTCRtpReceiver, RTCRtpSender

import streamer.rtc.vp8_encoder  # noqa: F401 (without it timestamps are inexact)

_WRAP: Final = 1 << 32


def in_rtp(receiver: RTCRtpReceiver, pts: int) -> int:
    """RTP timestamp of a received frame. aiortc's pts counts from the first frame's timestamp."""
    origin: int = _private(receiver, "timestamp_mapper")._origin  # noqa: SLF001 (no public way)
    return (origin + pts) % _WRAP


class OutgoingClock:
    """Learns the random origin that the sender adds to every pts, from the first packet sent.

    The sender takes a frame, encodes and sends it, and only then takes the next. So when its
    count of packets has grown since it took a frame, its last timestamp is that frame's.
    """

    def __init__(self, sender: RTCRtpSender) -> None:
        self._sender = sender
        self._origin: int | None = None
        self._taken: tuple[int, int] | None = None
        """pts of the frame the sender took last, and its count of packets at that time."""

    def take(self, pts: int) -> None:
        """The sender takes this frame now."""
        self._learn()
        self._taken = (pts, _private(self._sender, "packet_count"))

    def out_rtp(self, pts: int) -> int:
        """RTP timestamp of the frame with this pts, sent or not; 0 until one was sent."""
        self._learn()
        return 0 if self._origin is None else (self._origin + pts) % _WRAP

    def _learn(self) -> None:
        if self._origin is not None or self._taken is None:
            return
        pts, packet_count = self._taken
        if _private(self._sender, "packet_count") > packet_count:
            self._origin = (_private(self._sender, "rtp_timestamp") - pts) % _WRAP


def _private(owner: RTCRtpReceiver | RTCRtpSender, name: str) -> Any:
    """A name-mangled attribute of aiortc 1.16."""
    return getattr(owner, f"_{type(owner).__name__}__{name}")
