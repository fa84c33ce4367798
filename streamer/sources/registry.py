"""Registry: the sources of one service: those that are open, and how the last ones ended."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from streamer.http.grant import Grant
from streamer.service import Service
from streamer.session.admission import Admission, Full, FullKind
from streamer.session.stay import Stay, UnknownSession, Visit
from streamer.sources.source import Source

_REMEMBERED_ENDS: Final = 64
_KINDS: Final[dict[FullKind, FullKind]] = {
    "full": "sources_full",
    "subject_full": "subject_sources_full",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be opened."""

    url: str
    loops: bool = False
    """A file begins again when it has ended."""
    resume: str | None = None
    """The last token of the session before this one."""


@dataclass(frozen=True, slots=True)
class Record:
    """A source that was opened, and whose it is."""

    session_id: str
    source: Source
    subject: str | None


class Registry:
    """Sources come by open() and leave when their sessions end."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        self._service = service
        self._admission = Admission(settings.max_sources, settings.retry_after_s)
        self._open: dict[str, Record] = {}
        """By session id; at most max_sources."""
        self._ended: deque[Record] = deque(maxlen=_REMEMBERED_ENDS)

    async def open(self, wish: Wish, grant: Grant) -> tuple[Stay, Record]:
        """Opens it, and begins its session.

        Raises Full, PlaceRefused, Unreadable, or TimeoutError when opening took too long.
        """
        self._enter(grant)
        source = Source(wish.url, self._service.settings, loops=wish.loops)
        visit = Visit(wish.resume, grant, self._service.settings.source_retry_s)
        try:
            stay = await self._service.let_in(lambda: source, Source.connect, visit)
        except BaseException:
            self._admission.leave(grant.subject)
            raise
        record = Record(stay.session.session_id, source, grant.subject)
        self._open[record.session_id] = record
        source.on_closed = lambda: self._end(record)  # its session has not run yet
        return stay, record

    def of(self, subject: str | None) -> list[Record]:
        """Those that a subject has open."""
        return [record for record in self._open.values() if record.subject == subject]

    def find(self, session_id: str, subject: str | None) -> Record:
        """A subject's that is open, or among the last that ended. Raises UnknownSession."""
        found = self._open.get(session_id)
        ended = (record for record in self._ended if record.session_id == session_id)
        record = found or next(ended, None)
        if record is None or record.subject != subject:
            raise UnknownSession(session_id)
        return record

    def _enter(self, grant: Grant) -> None:
        most = grant.limits.max_sources
        try:
            self._admission.enter(is_ready=True, subject=grant.subject, max_of_subject=most)
        except Full as full:
            raise Full(f"sources: {full}", full.retry_after_s, _KINDS[full.kind]) from full

    def _end(self, record: Record) -> None:
        del self._open[record.session_id]
        self._ended.append(record)
        self._admission.leave(record.subject)
