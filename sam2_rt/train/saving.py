"""SavePace: when a run is to be saved, so that killing it loses at most a minute. No torch."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

SAVE_EVERY_S: Final = 45.0
LONG_STEP_S: Final = 10.0
"""A step that took longer is saved at once: 45 s, less than this, and the writing make a minute."""


class SavePace:
    """Is told of each step and of each state that is saved."""

    def __init__(self, every_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.every_s = every_s
        self._now = now
        self._saved = self._stepped = now()

    def is_due(self) -> bool:
        """Called when a step is done: whether to save what it made."""
        now = self._now()
        step_s, self._stepped = now - self._stepped, now
        return now - self._saved > self.every_s or step_s > LONG_STEP_S

    @contextmanager
    def saving(self) -> Iterator[None]:
        """While the state is written. What is learned after its beginning may be lost."""
        self._saved = self._now()
        yield
        self._stepped = self._now()
