"""Term: how long a session may go on, counted over all connections that continue it."""

import asyncio
import time
from typing import Final

_LONGEST_WAIT_S: Final = 1.0
"""At a time: the clock may be set meanwhile."""


class TimeUp(Exception):
    """What a viewer wants to go on with is over."""

    def __init__(self) -> None:
        super().__init__("the time of this session is over: begin another without its token")


class Term:
    """Ends at a moment that may become an earlier one, and never a later."""

    def __init__(self, seconds: float | None) -> None:
        """From now on; None: no limit."""
        self._seconds = seconds
        self.until_s: float | None = None if seconds is None else time.time() + seconds
        """Unix time, so that it means the same to another pod; None: it does not end."""

    def lower(self, until_s: float | None) -> None:
        """No later than that of the session before this one."""
        known = [end for end in (self.until_s, until_s) if end is not None]
        self.until_s = min(known) if known else None

    @property
    def left_s(self) -> float:
        """Seconds; infinite without an end, at most 0 after it."""
        return float("inf") if self.until_s is None else self.until_s - time.time()

    @property
    def words(self) -> str:
        """That it has come to its end."""
        length = "the time" if self._seconds is None else f"{self._seconds:g} s"
        return f"{length} of this session {'is' if self._seconds is None else 'are'} over"

    async def over(self) -> None:
        """Waits for its end."""
        while (left_s := self.left_s) > 0:  # noqa: ASYNC110 (nothing tells of time)
            await asyncio.sleep(min(left_s, _LONGEST_WAIT_S))
