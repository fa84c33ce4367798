"""Line: who waits for the next tick, and whether it begins now. No clock, no threads."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

MAX_WINDOW_S: Final = 0.004
"""For which a tick waits at most for those who were just answered."""
WINDOW_SHARE: Final = 0.05
"""Of the last tick: what waiting may cost at most where nobody comes."""

T = TypeVar("T")


def window_s(tick_s: float) -> float:
    """How long to wait after a tick that took so long for those it answered, in seconds."""
    return min(MAX_WINDOW_S, WINDOW_SHARE * tick_s)


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    who: Hashable
    item: T
    num_frames: int


class Line(Generic[T]):
    """A line of those who wait, the oldest first; each waits for one thing at a time.

    A tick that begins as soon as somebody waits leaves those behind whom the last one answered a
    moment ago. They wait for a whole tick then, and so do those who wait now after it: two halves
    take turns for ever. So there is a window after each tick, in which who was answered comes back.
    """

    def __init__(self, max_batch: int) -> None:
        """max_batch: frames of a tick, >= 1."""
        self._max_batch = max_batch
        self._line: list[_Waiting[T]] = []
        """As many as there are callers; each has one place."""
        self._expected: set[Hashable] = set()
        """Who was answered by the last tick and did not come back yet; none without a window."""

    def __len__(self) -> int:
        return len(self._line)

    @property
    def is_expecting(self) -> bool:
        """The window is open: somebody may come back in it."""
        return bool(self._expected)

    @property
    def is_due(self) -> bool:
        """A tick is to begin: it would be full, or nobody else is expected."""
        num_frames = sum(waiting.num_frames for waiting in self._line)
        return bool(self._line) and (not self._expected or num_frames >= self._max_batch)

    def add(self, who: Hashable, item: T, num_frames: int = 1) -> None:
        """Somebody waits from now on."""
        self._line.append(_Waiting(who, item, num_frames))
        self._expected.discard(who)

    def open_window(self, answered: Sequence[Hashable]) -> None:
        """A tick has ended, and these may come back."""
        self._expected = set(answered) - {waiting.who for waiting in self._line}

    def close_window(self) -> None:
        """Nobody is expected any more."""
        self._expected.clear()

    def leave(self, who: Hashable) -> None:
        """Somebody has gone, with what it waited for."""
        self._line = [waiting for waiting in self._line if waiting.who != who]
        self._expected.discard(who)

    def take(self) -> list[T]:
        """Who is in the tick: the oldest, as many as fit and at least one. Closes the window."""
        self.close_window()
        taken: list[_Waiting[T]] = []
        room = self._max_batch
        while self._line and (not taken or self._line[0].num_frames <= room):
            taken.append(self._line.pop(0))
            room -= taken[-1].num_frames
        return [waiting.item for waiting in taken]

    def take_all(self) -> list[T]:
        """Everybody, as when there will be no more ticks."""
        self.close_window()
        line, self._line = self._line, []
        return [waiting.item for waiting in line]
