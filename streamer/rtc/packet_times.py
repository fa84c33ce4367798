"""PacketTimes: when the packets of a frame came, found again by the decoded frame's pts."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

_MAX_KEPT: Final = 64
"""Frames that are not decoded yet, or never will be: two seconds. The oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Packets:
    """When a frame's packets came, by time.monotonic()."""

    first_s: float
    complete_s: float
    """The last one was there, and no frame before this one was missing."""


class PacketTimes:
    """Of one stream. Times by time.monotonic(): uvloop's clock has milliseconds only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_s: OrderedDict[int, float] = OrderedDict()
        """By RTP timestamp, of frames that are not complete."""
        self._complete: OrderedDict[int, Packets] = OrderedDict()
        """By pts."""

    def come(self, timestamp: int) -> None:
        """A packet of the frame with this RTP timestamp."""
        if timestamp not in self._first_s:
            _keep(self._first_s, timestamp, self._clock())

    def complete(self, timestamp: int, pts: int) -> None:
        """The frame goes to the decoder, which will call it by this pts."""
        now_s = self._clock()
        _keep(self._complete, pts, Packets(self._first_s.pop(timestamp, now_s), now_s))

    def take(self, pts: int) -> Packets | None:
        """Of a decoded frame, once; None: nobody told of its packets, or it is too long ago."""
        return self._complete.pop(pts, None)


def _keep(kept: OrderedDict[int, T], key: int, value: T) -> None:
    kept[key] = value
    while len(kept) > _MAX_KEPT:
        kept.popitem(last=False)
