"""Watchers: who watches the returned video of one session. They end with it."""

import asyncio
import hashlib
import logging
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from sam2_rt.tracking.frame import Frame
from streamer.config import Settings
from streamer.ice_server import IceServer
from streamer.masks.mask_feed import MaskFeed, Receiver
from streamer.media import turn
from streamer.media.peer_watcher import WatcherPeer
from streamer.rtc.fragment import Fragment
from streamer.rtc.ports import NoPorts, PortRange
from streamer.rtc.sdp import with_public_address
from streamer.rtc.shared_encoder import Broadcast
from streamer.session.admission import Admission, Full
from streamer.telemetry.link_watch import LinkWatch
from streamer.telemetry.metrics import Metrics
from streamer.until_first import until_first

log = logging.getLogger(__name__)

_REMEMBERED_ENDS: Final = 64


class Watched(StrEnum):
    """What there is to watch."""

    VIDEO = "video"
    """As the session's viewer gets it."""
    MASK = "mask"
    """How much of each pixel is an object's: grey, black to white."""


class UnknownWatcher(LookupError):
    """Nobody of that id watches the session."""

    def __init__(self, watcher_id: str) -> None:
        super().__init__(f"no watcher {watcher_id}")


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a watcher gets for an offer."""

    watcher_id: str
    sdp: str
    tag: str
    """Names the ICE session: the ETag."""
    ice_servers: Sequence[IceServer]


@dataclass(frozen=True, slots=True)
class _Watcher:
    peer: WatcherPeer
    watched: Watched
    tag: str
    connected: asyncio.Event
    ended: asyncio.Event


class Masks(Protocol):
    """Of the session: its MaskSender."""

    def feed(self, receiver: Receiver) -> AbstractContextManager[MaskFeed]:
        """For one who gets them, until the end of the block."""


class Watchers:
    """Those of one session; one encode serves all who take the same codec."""

    def __init__(
        self,
        settings: Settings,
        ports: PortRange | None,
        metrics: Metrics,
        links: LinkWatch,
        masks: Masks,
    ) -> None:
        self._settings = settings
        self._ports = ports
        self._masks = masks
        self._metrics = metrics
        self._links = links
        self._admission = Admission(settings.max_watchers, settings.retry_after_s)
        self._broadcasts = {
            watched: Broadcast(metrics.watched_frames.inc, self._fail) for watched in Watched
        }
        self._open: dict[str, _Watcher] = {}
        """By id; at most max_watchers."""
        self._stays: set[asyncio.Task[None]] = set()
        """One for each."""
        self._ended: deque[str] = deque(maxlen=_REMEMBERED_ENDS)
        """Ids of the last who left."""
        self._is_closed = False

    @property
    def is_empty(self) -> bool:
        """Nobody watches."""
        return not self._open

    @property
    def wants_pictures(self) -> bool:
        """Somebody watches the video."""
        return any(watcher.watched is Watched.VIDEO for watcher in self._open.values())

    @property
    def wants_masks(self) -> bool:
        """Somebody watches the mask."""
        return any(watcher.watched is Watched.MASK for watcher in self._open.values())

    def show(self, frame: Frame) -> None:
        """The newest picture, as the session's viewer gets it."""
        self._broadcasts[Watched.VIDEO].put(frame)

    def show_mask(self, frame: Frame) -> None:
        """The mask of the newest frame, in grey."""
        self._broadcasts[Watched.MASK].put(frame)

    async def admit(self, offer: str, watched: Watched = Watched.VIDEO) -> Admitted:
        """Lets one watch.

        Raises Full (for want of UDP ports too), OfferError, NoCandidates, or TimeoutError when no
        answer came to be.
        """
        try:
            self._admission.enter(is_ready=not self._is_closed)
        except Full as full:  # of this session, and no other pod could help
            raise Full(str(full), full.retry_after_s, "watchers_full") from full
        settings = self._settings
        servers = turn.ice_servers(settings)
        used = servers if settings.uses_ice_servers else ()
        peer = WatcherPeer(used, self._ports, self._broadcasts[watched])
        try:
            async with asyncio.timeout(settings.answer_timeout_s):
                sdp = await peer.answer(offer)
            self._admission.check(is_ready=not self._is_closed)
        except BaseException as error:
            self._admission.leave()
            await peer.close()
            if isinstance(error, NoPorts):
                raise Full(str(error), settings.retry_after_s, "no_ports") from error
            raise
        tag = hashlib.sha256(sdp.encode()).hexdigest()[:16]
        watcher_id = self._begin(peer, watched, tag)
        if settings.media_public_address is not None:
            sdp = with_public_address(sdp, settings.media_public_address)
        return Admitted(watcher_id, sdp, tag, servers)

    def tag_of(self, watcher_id: str) -> str:
        """Names the ICE session of a watcher. Raises UnknownWatcher."""
        return self._watcher(watcher_id).tag

    async def add_candidates(self, watcher_id: str, fragment: Fragment) -> None:
        """Candidates of a watcher, after the offer. Raises UnknownWatcher or FragmentRefused."""
        await self._watcher(watcher_id).peer.add_candidates(fragment)

    def end(self, watcher_id: str) -> bool:
        """Ends one at their own wish; False when there was none of that id."""
        watcher = self._open.get(watcher_id)
        if watcher is not None:
            watcher.ended.set()
        return watcher is not None or watcher_id in self._ended

    async def close(self) -> None:
        """Ends all, and lets nobody in any more."""
        self._is_closed = True
        self._end_all()
        if self._stays:
            await asyncio.wait(self._stays)
        for broadcast in self._broadcasts.values():
            await broadcast.close()

    def _begin(self, peer: WatcherPeer, watched: Watched, tag: str) -> str:
        watcher_id = secrets.token_urlsafe(12)
        watcher = _Watcher(peer, watched, tag, asyncio.Event(), asyncio.Event())
        peer.on_connected = watcher.connected.set
        peer.on_end = lambda _outcome: watcher.ended.set()
        self._open[watcher_id] = watcher
        self._metrics.watchers.inc()
        self._links.join(peer)
        stay = asyncio.create_task(self._stay(watcher_id, watcher))
        self._stays.add(stay)
        stay.add_done_callback(self._stays.discard)
        return watcher_id

    async def _stay(self, watcher_id: str, watcher: _Watcher) -> None:
        """Until the watcher has gone, or never came."""
        timeout_s = self._settings.connect_timeout_s
        loop = asyncio.get_running_loop()
        give_up = loop.call_later(
            timeout_s, lambda: None if watcher.connected.is_set() else watcher.ended.set()
        )
        try:
            with self._masks.feed(watcher.peer) as feed:
                _, feeding = await until_first(watcher.ended.wait(), feed.run())
            if not feeding.cancelled() and (error := feeding.exception()) is not None:
                log.error("a fault in the masks of one who watches", exc_info=error)
                self._metrics.session_errors.inc()
        finally:
            give_up.cancel()
            del self._open[watcher_id]
            self._ended.append(watcher_id)
            self._metrics.watchers.dec()
            self._admission.leave()
            await watcher.peer.close()
            await self._links.leave(watcher.peer)

    def _fail(self, error: Exception) -> None:
        """An encoder has failed: nobody is left to look at a still picture."""
        log.error("a fault in the encoder of those who watch", exc_info=error)
        self._metrics.session_errors.inc()
        self._end_all()

    def _end_all(self) -> None:
        for watcher in self._open.values():
            watcher.ended.set()

    def _watcher(self, watcher_id: str) -> _Watcher:
        watcher = self._open.get(watcher_id)
        if watcher is None:
            raise UnknownWatcher(watcher_id)
        return watcher
