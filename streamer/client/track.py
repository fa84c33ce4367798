"""The client's outgoing video: newest frame first, each remembered by its RTP timestamp."""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.mediastreams import MediaStreamError

from streamer.rtc.timestamps import OutgoingClock
from streamer.session.inbox import Inbox

CLOCK_HZ: Final = 90_000
"""Of RTP video (RFC 3551)."""
MAX_REMEMBERED: Final = 600
"""Sent frames that a mask can still be matched to: 20 seconds at 30 a second."""

_TIME_BASE: Final = Fraction(1, CLOCK_HZ)


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One frame that left for the service."""

    index: int
    """0, 1, 2... in the order of the source; frames that were dropped before sending count too."""
    rtp_timestamp: int
    """32 bits, as on the wire: how prompts and masks name this frame."""
    captured_at_s: float
    """time.monotonic() when the source gave the frame."""


@dataclass(frozen=True, slots=True)
class _Captured:
    index: int
    picture: av.VideoFrame
    captured_at_s: float


class SentVideo(MediaStreamTrack):
    """A track that sends the newest frame of a source and counts those that had to give way."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._unsent = Inbox[_Captured](1)
        self._clock: OutgoingClock | None = None
        self._last_tick: int | None = None
        # RTP tick -> (index, captured_at_s), oldest first, at most MAX_REMEMBERED.
        self._sent = OrderedDict[int, tuple[int, float]]()
        self.num_sent = 0
        """Frames handed to the encoder."""

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before the encoder was free."""
        return self._unsent.dropped

    def bind(self, sender: RTCRtpSender) -> None:
        """Names the sender that carries this track."""
        self._clock = OutgoingClock(sender)

    async def pump(self, source: AsyncIterator[av.VideoFrame]) -> None:
        """Takes the source's frames as they come, until it ends; then the track ends."""
        index = 0
        try:
            async for picture in source:
                self.put(index, picture)
                index += 1
        finally:
            self.end()

    def put(self, index: int, picture: av.VideoFrame) -> None:
        """A frame that was captured now."""
        self._unsent.put(_Captured(index, picture, time.monotonic()))

    def end(self) -> None:
        """No further frame comes."""
        self._unsent.close()

    def find(self, rtp_timestamp: int) -> SentFrame | None:
        """The frame of an RTP timestamp; None when it was not sent or is no longer remembered."""
        assert self._clock is not None, "bind() comes first"
        known = self._sent.get((rtp_timestamp - self._clock.out_rtp(0)) % (1 << 32))
        return known and SentFrame(known[0], rtp_timestamp, known[1])

    async def recv(self) -> av.VideoFrame:
        """For aiortc's sender: the newest frame, stamped with its tick of the RTP clock."""
        assert self._clock is not None, "bind() comes first"
        try:
            captured = await anext(self._unsent)
        except StopAsyncIteration:
            self.stop()
            raise MediaStreamError from None
        tick = self._tick_of(captured)
        captured.picture.pts = tick
        captured.picture.time_base = _TIME_BASE
        self._sent[tick % (1 << 32)] = (captured.index, captured.captured_at_s)
        if len(self._sent) > MAX_REMEMBERED:
            self._sent.popitem(last=False)
        self._last_tick = tick
        self._clock.take(tick)
        self.num_sent += 1
        return captured.picture

    def _tick_of(self, captured: _Captured) -> int:
        """The source's own time if it has one, else that of capture; always growing."""
        picture = captured.picture
        if picture.pts is not None and picture.time_base:
            tick = round(picture.pts * picture.time_base * CLOCK_HZ)
        else:
            tick = round(captured.captured_at_s * CLOCK_HZ)
        return tick if self._last_tick is None else max(tick, self._last_tick + 1)


async def frames_of(track: MediaStreamTrack) -> AsyncIterator[av.VideoFrame]:
    """A track's frames until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        assert isinstance(frame, av.VideoFrame), f"a track that gives {type(frame).__name__}"
        yield frame
