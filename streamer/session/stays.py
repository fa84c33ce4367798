"""Stays: the sessions that are open, by id, and the ids of the last that ended."""

import asyncio
import contextlib
from collections import UserDict, deque
from typing import Final

from streamer.session.stay import Stay, UnknownSession
from streamer.session.viewer import Outcome

_LEAVE_S: Final = 2.0
_REMEMBERED_ENDS: Final = 256


class Stays(UserDict[str, Stay]):
    """At most as many as the service has places."""

    def __init__(self) -> None:
        super().__init__()
        self._ended: deque[str] = deque(maxlen=_REMEMBERED_ENDS)

    def __delitem__(self, session_id: str) -> None:
        super().__delitem__(session_id)
        self._ended.append(session_id)

    def find(self, session_id: str) -> Stay:
        """One that is open. Raises UnknownSession."""
        stay = self.get(session_id)
        if stay is None:
            raise UnknownSession(session_id)
        return stay

    def has_had(self, session_id: str) -> bool:
        """It is among the last that ended."""
        return session_id in self._ended

    def end_all(self, outcome: Outcome) -> None:
        """They take a moment."""
        for stay in self.values():
            stay.session.end(outcome)

    async def end_soon(self, session_id: str) -> None:
        """Ends a session whose viewer is back, if it is one of ours, and gives it a moment.

        So it does with one that stands in for it, which the viewer did not reach.
        """
        unreached = (one for one in self.values() if one.session.stands_in_for(session_id))
        stay = self.get(session_id) or next(unreached, None)
        if stay is None:
            return
        stay.session.end(Outcome.RESUMED)
        with contextlib.suppress(TimeoutError):  # then there may be no place, as the answer says
            async with asyncio.timeout(_LEAVE_S):
                await stay.has_ended.wait()
