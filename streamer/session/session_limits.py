"""What one session may do: frames and prompts a second, tracks. Policy over plain values."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from sam2_rt.tracking.prompt import MAX_TRACK_ID, Undo
from streamer.protocol import ProtocolError
from streamer.session.limits import LimitSettings
from streamer.session.prompt_queue import Asked, GivenUp
from streamer.session.term import Term

_FIRST_NAMED: Final = 1001
"""Far from the ids that viewers choose, which count from 1."""
_EARLY: Final = 0.25
"""Of the time between two frames, by which one may come too early: cameras are not exact."""


class FrameRate:
    """Thins a stream to a rate, evenly."""

    def __init__(self, max_fps: float | None) -> None:
        self._interval_s = 0.0 if max_fps is None else 1 / max_fps
        self._due_s = float("-inf")

    def takes(self, at_s: float) -> bool:
        """Whether the frame that arrived then is one of those to take."""
        if at_s < self._due_s - _EARLY * self._interval_s:
            return False
        # A frame that is a little late is no reason for the next to be, or the rate would sink.
        is_late = at_s - self._due_s >= self._interval_s
        self._due_s = (at_s if is_late else self._due_s) + self._interval_s
        return True


class Allowance:
    """So many a second, and as many at once; at least one."""

    def __init__(self, per_s: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._left = self._most = max(1.0, per_s or 0.0)
        self._at_s = clock()

    def spend(self, count: int, seq: int | None) -> None:
        """All of them, or raises ProtocolError `too_many_prompts` and none."""
        if self._per_s is None:
            return
        now_s = self._clock()
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if count > self._left:
            words = f"more than {self._per_s:g} prompts a second"
            raise ProtocolError("too_many_prompts", words, seq)
        self._left -= count


class TrackRoom:
    """The tracks of a session, as far as they are known before the engine has answered."""

    def __init__(self, max_tracks: int) -> None:
        self.max_tracks = max_tracks
        self._tracks: set[int] = set()
        self._named = _FIRST_NAMED - 1
        """The last id that was given out here."""

    def name(self) -> int:
        """An id for a new track, for who does not choose one."""
        while True:
            self._named = self._named + 1 if self._named < MAX_TRACK_ID else _FIRST_NAMED
            if self._named not in self._tracks:
                return self._named

    def see(self, track_ids: Iterable[int]) -> None:
        """What the engine has now."""
        self._tracks = set(track_ids)

    def admit(
        self, removals: Iterable[GivenUp], prompts: Iterable[Asked]
    ) -> tuple[Sequence[Asked], Sequence[Asked]]:
        """Of the prompts of a step, which come behind its removals: those to carry out, and those
        that would begin a track too many.
        """
        self._tracks -= {given_up.track_id for given_up in removals}
        good: list[Asked] = []
        refused: list[Asked] = []
        for asked in prompts:
            track_id = asked.prompt.track_id
            if isinstance(asked.prompt, Undo):  # it begins none
                good.append(asked)
            elif track_id in self._tracks or len(self._tracks) < self.max_tracks:
                self._tracks.add(track_id)
                good.append(asked)
            else:
                refused.append(asked)
        return good, refused


class SessionLimits:
    """All of them, of one session."""

    def __init__(self, settings: LimitSettings, max_tracks: int) -> None:
        self.frames = FrameRate(settings.max_fps)
        self.prompts = Allowance(settings.max_prompts_per_s)
        self.tracks = TrackRoom(max_tracks)
        self.max_fps = settings.max_fps
        self.max_prompts_per_s = settings.max_prompts_per_s
        self.term = Term(settings.max_session_s)

    @property
    def max_session_s(self) -> float | None:
        """What is left of its time, to a tenth; None: no limit."""
        return None if self.term.until_s is None else max(0.0, round(self.term.left_s, 1))
