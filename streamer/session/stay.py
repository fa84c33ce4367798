"""Stay: a session that is open, with its other end, and what that got for coming."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from streamer.config import Settings
from streamer.http.grant import ANYBODY, Grant
from streamer.ice_server import IceServer
from streamer.media.peer import Peer
from streamer.media.watchers import Watchers
from streamer.session.resume import Teller
from streamer.session.session import Session
from streamer.session.viewer import Viewer


class UnknownSession(LookupError):
    """No session of that id is open."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"no session {session_id}: if there was one, offer anew")


@dataclass(frozen=True, slots=True)
class Visit:
    """What somebody brings who wants a session."""

    resume: str | None = None
    """The last token of the session before this one."""
    grant: Grant = ANYBODY
    patience_s: float = 0.0
    """For which it may be without a frame, where that is longer than idle_timeout_s."""

    def lower(self, settings: Settings) -> Settings:
        """Those of the session that comes of it."""
        idle_s = max(settings.idle_timeout_s, self.patience_s)
        return self.grant.lower(settings.model_copy(update={"idle_timeout_s": idle_s}))


FIRST_TIME: Final = Visit()
"""Of anybody."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A session that is open, and its other end: a Peer, or what is a Viewer by other means."""

    session: Session
    viewer: Viewer
    teller: Teller
    watchers: Watchers
    grant: Grant
    sdp: str
    """What was agreed with the other end; "" where that speaks no WebRTC."""
    resumed: tuple[int, ...]
    """Tracks that went on from the session before."""
    has_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def tag(self) -> str:
        """Names the ICE session."""
        return hashlib.sha256(self.sdp.encode()).hexdigest()[:16]

    @property
    def peer(self) -> Peer:
        """The other end, where it is a connection. Raises UnknownSession for one that is none."""
        if not isinstance(self.viewer, Peer):
            raise UnknownSession(self.session.session_id)
        return self.viewer


@dataclass(frozen=True, slots=True)
class Answer:
    """What a viewer gets for its offer."""

    session_id: str
    sdp: str
    tag: str
    """Names the ICE session: the ETag of RFC 9725."""
    ice_servers: Sequence[IceServer]
    """For the viewer, with a user of its own."""
    resumed: tuple[int, ...]
    """Tracks that go on from the viewer's session before this one."""
