"""Pace: how long the engine's steps took of late, all sessions together."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from streamer.session.admission import Full

WINDOW_S: Final = 10.0
_MAX_STEPS: Final = 1024
"""That are remembered: the last of WINDOW_S, or fewer."""
_MIN_STEPS: Final = 20
"""Fewer say nothing: a first step is slow on any machine."""


class Pace:
    """Measures what one more viewer would have to share."""

    def __init__(
        self, budget_ms: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """budget_ms: what the 95th percentile may take; None: anything."""
        self._budget_ms = budget_ms
        self._clock = clock
        self._steps: deque[tuple[float, float]] = deque(maxlen=_MAX_STEPS)
        """(when it ended, how long it took), seconds."""

    def add(self, duration_s: float) -> None:
        """A step was made, from its request to its answer."""
        self._steps.append((self._clock(), duration_s))

    def check(self, retry_after_s: int) -> None:
        """Raises Full when steps take longer than they may."""
        if self.share >= 1:
            raise Full("the engine has no time left for another viewer", retry_after_s)

    @property
    def share(self) -> float:
        """Of the budget that is used; 0 without a budget or with too few steps."""
        since_s = self._clock() - WINDOW_S
        recent = sorted(took_s for at_s, took_s in self._steps if at_s >= since_s)
        if self._budget_ms is None or len(recent) < _MIN_STEPS:
            return 0.0
        return 1000 * recent[int(0.95 * len(recent))] / self._budget_ms
