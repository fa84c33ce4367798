"""Gap: how long a viewer who changed the connection was without a mask."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from streamer.client import Masks

_TICKS_HZ: Final = 90_000
"""Of RTP video's clock (RFC 3551)."""
_SLACK: Final = 10
"""A machine that leaves frames out anyway may leave out so many times as many."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Between the last masks over one connection and the first over the next."""

    frames: int
    """Captured from the one to the other; 1: none in between."""
    seconds: float
    most_before: int
    """Frames between two masks over the first of the connections: what the machine gives."""
    longest_before_s: float
    last_at_s: float
    """time.monotonic() of the last masks over the first."""
    first: Masks
    """Over the second."""

    def allowed(self, seconds: float, fps: int) -> float:
        """Frames that may lie in a gap that is to last so long on a quiet machine.

        Frames are counted, not seconds, by a source that a slow machine slows down, too; twice as
        many, and more where frames were left out before.
        """
        return 2 * seconds * fps + _SLACK * self.most_before


async def until_moved(masks: AsyncIterator[Masks], fps: int) -> Gap:
    """Reads masks until the first over another connection, whose RTP clock is another one.

    fps: of the source, whose frame n has the time n / fps. Raises ConnectionLost like the masks,
    ValueError when they end by themselves.
    """
    last: Masks | None = None
    most, longest_s = 1, 0.0
    async for one in masks:
        if one.sent is None:
            continue
        if last is not None and last.sent is not None:
            frames = one.sent.index - last.sent.index
            ticks = one.frame.in_rtp - last.frame.in_rtp
            seconds = one.received_at_s - last.received_at_s
            if (ticks - frames * _TICKS_HZ // fps) % (1 << 32) != 0:
                return Gap(frames, seconds, most, longest_s, last.received_at_s, one)
            most, longest_s = max(most, frames), max(longest_s, seconds)
        last = one
    raise ValueError("the masks ended over the first connection")
