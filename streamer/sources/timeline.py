"""Timeline: one clock of a session that begins anew, jumps or loops never; and a film's pace."""

import threading
import time
from typing import Final

from streamer.picture.picture import TIME_BASE

_TICKS_PER_S: Final = TIME_BASE.denominator
_MAX_BACK: Final = _TICKS_PER_S
_MAX_AHEAD: Final = 10 * _TICKS_PER_S
"""Beyond these a frame's time is a jump of the camera's clock, not a frame out of order or late."""
_MAX_LATE_S: Final = 1.0
"""By which decoding may fall behind and still catch up."""


class Timeline:
    """Times of a source's frames, in ticks of 1/90000 s, growing over all of its attempts."""

    def __init__(self) -> None:
        self._last: int | None = None
        """Given to the frame before."""
        self._last_at_s = 0.0
        self._offset: int | None = None
        """From the source's ticks to ours; None: the next frame of the source tells."""

    def begin_anew(self) -> None:
        """What follows has another origin: a file again, a camera that was away."""
        self._offset = None

    def place(self, seconds: float | None, now_s: float) -> int:
        """The time of a frame that the source has at `seconds`; None: it does not say."""
        elapsed = max(1, round((now_s - self._last_at_s) * _TICKS_PER_S))
        expected = 0 if self._last is None else self._last + elapsed
        own = expected if seconds is None else round(seconds * _TICKS_PER_S)
        if self._offset is None:
            # The first frame of all keeps its time, so that a file's masks name places in the file.
            self._offset = 0 if self._last is None else expected - own
        ticks = expected if seconds is None else own + self._offset
        if self._last is not None and not -_MAX_BACK < ticks - self._last < _MAX_AHEAD:
            self._offset += expected - ticks
            ticks = expected
        self._last = ticks if self._last is None else max(ticks, self._last)
        self._last_at_s = now_s
        return ticks


class Pace:
    """Lets the frames of a file go when they are due, as a camera would."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._origin_s: float | None = None
        """time.monotonic() at ticks 0."""

    def wait(self, ticks: int) -> None:
        """Until the frame is due, or `stop` is set."""
        now_s, at_s = time.monotonic(), ticks / _TICKS_PER_S
        if self._origin_s is None or now_s - at_s - self._origin_s > _MAX_LATE_S:
            self._origin_s = now_s - at_s
        self._stop.wait(max(0.0, self._origin_s + at_s - now_s))
