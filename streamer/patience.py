"""Patience: how often something may fail before it is given up. Plain values."""

import time
from collections import deque
from collections.abc import Callable


class Patience:
    """Bears `most` failures in any `within_s` seconds, and no more."""

    def __init__(
        self, most: int, within_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._within_s = within_s
        self._clock = clock
        self._failed_at_s = deque[float](maxlen=most)

    def is_over_with(self) -> bool:
        """It failed just now; True: that is once too often."""
        now_s, failed_at_s = self._clock(), self._failed_at_s
        is_full = len(failed_at_s) == failed_at_s.maxlen
        if is_full and now_s - failed_at_s[0] < self._within_s:
            return True
        failed_at_s.append(now_s)
        return False
