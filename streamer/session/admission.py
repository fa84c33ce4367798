"""Who may come in: a fixed number of places, and a clear answer when none is left."""

from collections import Counter
from typing import Literal

FullKind = Literal[
    "full",
    "not_ready",
    "no_ports",
    "watchers_full",
    "subject_full",
    "sources_full",
    "subject_sources_full",
]


class Full(Exception):
    """All places are taken, or the service takes nobody now; try again after `retry_after_s`."""

    def __init__(self, reason: str, retry_after_s: int, kind: FullKind = "full") -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.kind = kind
        """For the metrics and for programs. With `subject_`: others would be let in."""


class Admission:
    """Counts the places of the service. A place is held from the offer to the session's end."""

    def __init__(self, max_sessions: int, retry_after_s: int) -> None:
        self.taken = 0
        """Places in use."""
        self._by_subject: Counter[str] = Counter()
        """Of them; at most max_sessions subjects."""
        self._max_sessions = max_sessions
        self._retry_after_s = retry_after_s

    def enter(
        self, *, is_ready: bool, subject: str | None = None, max_of_subject: int | None = None
    ) -> None:
        """Takes a place. Raises Full when there is none or the service is not ready."""
        self.check(is_ready=is_ready)
        of_subject = 0 if subject is None else self._by_subject[subject]
        if subject is not None and max_of_subject is not None and of_subject >= max_of_subject:
            words = f"this token's subject has all of its {max_of_subject} sessions"
            raise Full(words, self._retry_after_s, "subject_full")
        if self.taken >= self._max_sessions:
            raise Full(f"all {self._max_sessions} places are taken", self._retry_after_s)
        self.taken += 1
        if subject is not None:
            self._by_subject[subject] += 1

    def check(self, *, is_ready: bool) -> None:
        """Raises Full when the service is not ready."""
        if not is_ready:
            words = "the service is starting or stopping"
            raise Full(words, self._retry_after_s, "not_ready")

    def leave(self, subject: str | None = None) -> None:
        """Gives the place back."""
        assert self.taken > 0, "nobody is in"
        self.taken -= 1
        if subject is not None:
            self._by_subject[subject] -= 1
            self._by_subject += Counter()  # drops those at zero
