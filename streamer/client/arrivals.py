"""What comes back to a client: masks, pictures, events, numbers."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import av
import numpy as np

from streamer.client.errors import ConnectionLost
from streamer.client.track import SentFrame
from streamer.masks.mask_frame import MaskFrame
from streamer.protocol import EventMessage, StatsMessage
from streamer.session.inbox import Inbox

MAX_UNREAD_MASKS: Final = 8
"""Mask frames that nobody took; a few may come in one packet. The oldest leave."""
MAX_EVENTS: Final = 256
"""Events that nobody read; the oldest leave."""
MAX_LATENCIES: Final = 300
"""Mask frames of which ClientStats gives the median."""


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
    moves: int
    """Times that the client went on over another connection."""


class Arrivals:
    """What came and nobody read yet, and its counts: lasts while connections come and go."""

    def __init__(self) -> None:
        self.masks = Inbox[Masks](MAX_UNREAD_MASKS)
        self.pictures = Inbox[ReturnedFrame](1)
        self.events = Inbox[EventMessage](MAX_EVENTS)
        self.num_masks = self.num_pictures = self.num_unreadable = 0
        self._latencies: deque[float] = deque(maxlen=MAX_LATENCIES)

    def take_masks(self, masks: Masks) -> None:
        """Masks came."""
        self.num_masks += 1
        if masks.latency_s is not None:
            self._latencies.append(masks.latency_s)
        self.masks.put(masks)

    def take_picture(self, picture: ReturnedFrame) -> None:
        """A picture came back."""
        self.num_pictures += 1
        self.pictures.put(picture)

    @property
    def latency_s(self) -> float | None:
        """Median of the last mask frames; None before the first that can be matched."""
        return float(np.median(self._latencies)) if self._latencies else None

    def close(self, error: ConnectionLost | None) -> None:
        """Nothing more comes; whoever reads gets the error after the last item."""
        for inbox in (self.masks, self.pictures, self.events):
            inbox.close(error)
