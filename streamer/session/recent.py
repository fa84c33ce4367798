"""Recent: what something took in the last few seconds, of frames that come at any rate."""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from streamer.session.stats import Percentiles

KEPT_S: Final = 5.0
"""For which a duration counts: after a slow-down the viewer is soon told of something else."""
MAX_KEPT: Final = 300
"""At once, as of 60 frames a second."""


class Recent:
    """Durations of the last KEPT_S seconds, at most MAX_KEPT of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: deque[tuple[float, float]] = deque(maxlen=MAX_KEPT)
        """When each was told, and the duration; seconds both."""

    def add(self, duration_s: float) -> None:
        """Something took so long, and has just ended."""
        self._kept.append((self._clock(), duration_s))

    def percentiles(self) -> Percentiles:
        """In milliseconds; None where nothing ended in the last seconds."""
        oldest_s = self._clock() - KEPT_S
        while self._kept and self._kept[0][0] < oldest_s:
            self._kept.popleft()
        ordered = sorted(duration_s for _, duration_s in self._kept)
        if not ordered:
            return Percentiles(p50=None, p95=None)
        at = (min(math.floor(q * len(ordered)), len(ordered) - 1) for q in (0.5, 0.95))
        p50, p95 = (round(1000 * ordered[place], 2) for place in at)
        return Percentiles(p50=p50, p95=p95)
