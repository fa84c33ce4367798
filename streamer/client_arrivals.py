"""What comes back to a client: masks, pictures, numbers. Plain values."""

from dataclasses import dataclass

import av

from streamer.client_track import SentFrame
from streamer.mask_frame import MaskFrame
from streamer.protocol import StatsMessage


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """All tracks of one processed frame."""

    frame: MaskFrame
    sent: SentFrame | None
    """The frame that was sent; None when it left too long ago to be remembered."""
    received_at_s: float
    """time.monotonic()"""

    @property
    def latency_s(self) -> float | None:
        """From the capture of the frame to its masks here."""
        return None if self.sent is None else self.received_at_s - self.sent.captured_at_s


@dataclass(frozen=True, slots=True, eq=False)
class ReturnedFrame:
    """One picture that came back."""

    picture: av.VideoFrame
    rtp_timestamp: int
    """Of the returned track: the `out_rtp` of this frame's masks."""


@dataclass(frozen=True, slots=True)
class ClientStats:
    """Counts since the connection began."""

    sent: int
    unsent: int
    """Frames of the source that a newer one replaced before the encoder was free."""
    masks: int
    """Mask frames received."""
    unreadable: int
    """Messages that this client could not read."""
    pictures: int
    """Frames of the returned video."""
    latency_s: float | None
    """Median of the last mask frames, capture to mask."""
    service: StatsMessage | None
    """What the service said last, once a second."""
