"""Service: what lives as long as the process: the worker and the sessions that are open."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self, TypeVar

from streamer.config import Settings
from streamer.fleet.deletion_cost import writing
from streamer.fleet.drain import tell_to_leave
from streamer.fleet.hop import Hop
from streamer.fleet.placement import Load
from streamer.http.bearer import Guard
from streamer.media import turn
from streamer.media.media_settings import as_told, prepare_rtc
from streamer.media.peer import Peer
from streamer.media.watchers import Watchers
from streamer.picture.output import Output
from streamer.rtc.fragment import Fragment
from streamer.rtc.ports import NoPorts, PortRange
from streamer.session.admission import Admission, Full
from streamer.session.pace import Pace
from streamer.session.parking import Parking
from streamer.session.resume import GoingOn, Seals, Teller, accept, go_on, session_of
from streamer.session.session import Session
from streamer.session.stay import FIRST_TIME, Answer, Stay, Visit
from streamer.session.stays import Stays
from streamer.session.viewer import Outcome, Viewer
from streamer.telemetry.link_watch import LinkWatch
from streamer.telemetry.loop_lag import measure_lag
from streamer.telemetry.metrics import MULTIPROCESS, Metrics
from streamer.telemetry.metrics_server import MetricsServer
from streamer.telemetry.tracing import open_tracer
from streamer.telemetry.vitals import Vitals
from streamer.worker import Steps, Worker

log = logging.getLogger(__name__)

V = TypeVar("V", bound=Viewer)

# Opening, closing, one step, and a step whose session was cancelled, for each session;
# opening, a step and closing of a search for objects; closing what had to leave its parking.
_JOBS_PER_SESSION: Final = 8
_PAINTERS: Final = 2


class Service:
    """Open between `async with`; all methods are called on its event loop."""

    def __init__(self, settings: Settings, load: Callable[[], Steps]) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.metrics.places.set(settings.max_sessions)
        self.is_draining = False
        """Nobody is let in any more; viewers stay until they are told to go elsewhere."""
        self._tells_to_leave = False
        self.is_stopping = False
        self.metrics_port: int | None = None
        """Where the metrics are, if they have a port of their own."""
        self.tracer = open_tracer(settings.trace_sample)
        """Follows frames; None: nobody wants to know."""
        self._stop_by_s = 0.0
        """When to give the engine up, by time.monotonic(), once is_stopping."""
        self._admission = Admission(settings.max_sessions, settings.retry_after_s)
        self.guard = Guard(settings)
        self.hop = Hop(settings)
        self.fleet = self.hop.fleet
        self._pace = Pace(settings.step_budget_ms)
        secret = settings.resume_secret or settings.peer_secret
        shared = None if secret is None else secret.get_secret_value()
        self._seals = Seals(shared, settings.resume_ttl_s)
        self._load = load
        self._sessions = Stays()
        """At most max_sessions."""
        self._ports = None if settings.media_ports is None else PortRange(*settings.media_ports)
        self._painter = ThreadPoolExecutor(_PAINTERS, "painter")
        self._until_exit = AsyncExitStack()
        prepare_rtc(settings)

    async def __aenter__(self) -> Self:
        settings = self.settings
        max_waiting = _JOBS_PER_SESSION * settings.max_sessions + settings.max_parked
        self.worker = Worker(self._load, settings.max_batch, max_waiting)
        self.worker.on_lost = self.metrics.engines_lost.inc
        self.worker.on_batch = self.metrics.batch_frames.observe
        self._parking = Parking(self.worker, settings.max_parked, settings.park_s, self.metrics)
        self._links = LinkWatch(self.metrics)
        self.vitals = Vitals(self, settings.engine_stall_s)
        self.worker.start()
        self._until_exit.callback(self._painter.shutdown, wait=True)
        if self.tracer is not None:
            self._until_exit.push_async_callback(asyncio.to_thread, self.tracer.close)
        if settings.metrics_port is not None:
            own = MetricsServer(self.metrics, settings.host, settings.metrics_port)
            self._until_exit.push_async_callback(asyncio.to_thread, own.close)
            self.metrics_port = own.port
        await self._until_exit.enter_async_context(self.hop)
        self._tasks = await self._until_exit.enter_async_context(asyncio.TaskGroup())
        watches = [measure_lag(self.metrics), self._parking.run(), self._links.run()]
        watches += writing(settings, self.hop)
        if MULTIPROCESS in os.environ:
            watches.append(self.vitals.keep_shown(self.metrics))
        else:
            self.vitals.show(self.metrics)
        self._watches = [self._tasks.create_task(watch) for watch in watches]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.begin_stop()
        for watch in self._watches:
            watch.cancel()
        try:  # before the sessions, which wait for it
            if not await self.worker.stop(max(0.0, self._stop_by_s - time.monotonic())):
                log.warning("the engine was still busy after %s s", self.settings.stop_timeout_s)
        finally:
            await self._until_exit.__aexit__(kind, error, trace)

    @property
    def is_ready(self) -> bool:
        """The engine is loaded and sessions are taken. A full service is ready."""
        return self.vitals.why_unready is None

    @property
    def load(self) -> Load:
        """What is in use, for who chooses among pods."""
        share = max(self._admission.taken / self.settings.max_sessions, self._pace.share)
        return Load(is_ready=self.is_ready, share=share)

    @property
    def num_open(self) -> int:
        """Sessions that have not ended."""
        return len(self._sessions)

    def begin_drain(self, seconds_left: float) -> None:
        """Takes nobody any more and asks the viewers to go elsewhere in the time that is left."""
        if self._tells_to_leave:
            return
        self.is_draining = self._tells_to_leave = True
        telling = tell_to_leave(
            tuple(self._sessions.values()),
            seconds_left,
            self.settings.drain_spread_s,
            self.settings.drain_url,
        )
        self._watches.append(self._tasks.create_task(telling))

    def begin_stop(self) -> None:
        """Takes nobody any more and ends all sessions; they take a moment."""
        if not self.is_stopping:
            self._stop_by_s = time.monotonic() + self.settings.stop_timeout_s
        self.is_stopping = True
        self._sessions.end_all(Outcome.STOPPED)

    async def answer(self, offer: str, visit: Visit = FIRST_TIME) -> Answer:
        """Lets a viewer in; with a resume token its tracks go on.

        Raises Full (for want of UDP ports too), TimeUp, OfferError, NoCandidates, or TimeoutError
        when no answer came to be.
        """
        servers = turn.ice_servers(self.settings)
        used = servers if self.settings.uses_ice_servers else ()
        stay = await self.let_in(
            lambda: Peer(used, self._ports), lambda peer: peer.answer(offer), visit
        )
        told = as_told(stay.sdp, self.settings)
        return Answer(stay.session.session_id, told, stay.tag, servers, stay.resumed)

    async def let_in(
        self, make: Callable[[], V], connect: Callable[[V], Awaitable[str]], visit: Visit
    ) -> Stay:
        """A session with what `make` makes, once `connect` has said what was agreed.

        Raises Full, TimeUp, TimeoutError when connecting took too long, and what `connect` raises.
        """
        carried = accept(self._seals, visit.resume, self.metrics)
        if carried is None and self.is_ready:
            self._pace.check(self.settings.retry_after_s)
        if carried is not None and self.is_ready:
            # Its place may be the one that is free.
            await self._sessions.end_soon(carried.session_id)
        subject, settings = visit.grant.subject, visit.lower(self.settings)
        most = settings.max_sessions_per_subject
        self._admission.enter(is_ready=self.is_ready, subject=subject, max_of_subject=most)
        viewer = make()
        try:
            async with asyncio.timeout(settings.answer_timeout_s):
                sdp = await connect(viewer)
            going_on = (
                None if carried is None else await go_on(carried, self._parking, self.metrics)
            )
            self._admission.check(is_ready=self.is_ready)  # still, since the offer came
        except BaseException as error:
            self._admission.leave(subject)
            await viewer.close()
            if isinstance(error, NoPorts):
                raise Full(str(error), settings.retry_after_s, "no_ports") from error
            raise
        return self._begin(viewer, sdp, visit, going_on)

    def session_before(self, resume: str | None) -> str | None:
        """The session that a resume token is of; None without a good one."""
        return None if resume is None else session_of(self._seals, resume)

    def choose(self, session_id: str, output: Output) -> None:
        """What the viewer gets back at first. Raises UnknownSession."""
        self.stay(session_id).session.display.output = output

    def tag_of(self, session_id: str) -> str:
        """Names the ICE session of a session. Raises UnknownSession."""
        stay = self.stay(session_id)
        _ = stay.peer  # a source has no ICE session
        return stay.tag

    async def add_candidates(self, session_id: str, fragment: Fragment) -> None:
        """Candidates of a viewer, after its offer. Raises UnknownSession or FragmentRefused."""
        await self.stay(session_id).peer.add_candidates(fragment)

    def end(self, session_id: str) -> bool:
        """Ends a session at its viewer's wish; False when there was none of that id.

        Closing its channels ends a session too, and may come before the wish: that is no error.
        """
        stay = self._sessions.get(session_id)
        if stay is not None:
            stay.session.end(Outcome.LEFT)
        else:
            self._tasks.create_task(self._parking.drop(session_id))
        return stay is not None or self._sessions.has_had(session_id)

    def stay(self, session_id: str) -> Stay:
        """A session that is open. Raises UnknownSession."""
        return self._sessions.find(session_id)

    def _begin(self, viewer: Viewer, sdp: str, visit: Visit, going_on: GoingOn | None) -> Stay:
        settings = visit.lower(self.settings)
        session_id = self.fleet.name_session()
        session = Session(session_id, viewer, self.worker, self._painter, self.metrics, settings)
        session.parking = self._parking
        if self.tracer is not None:
            session.follow_frames(self.tracer)
        session.on_step = self._pace.add
        if going_on is not None:
            session.restore(going_on)
        teller = Teller(self._seals, session, viewer.say, self._painter)
        parts = (self.settings, self._ports, self.metrics, self._links)
        watchers = Watchers(*parts, session.masks)
        self._links.join(viewer)
        session.display.audience = watchers
        resumed = () if going_on is None else going_on.resumed.tracks
        stay = Stay(session, viewer, teller, watchers, visit.grant, sdp, resumed)
        self._sessions[session_id] = stay
        self.metrics.offers_accepted.inc()
        self._tasks.create_task(self._run(stay), name=f"session {session_id}")
        return stay

    async def _run(self, stay: Stay) -> None:
        session = stay.session
        telling = self._tasks.create_task(stay.teller.run())
        try:
            outcome = await session.run()
            self.metrics.sessions_ended.labels(outcome.value).inc()
        finally:
            telling.cancel()
            del self._sessions[session.session_id]
            self._admission.leave(stay.grant.subject)
            stay.has_ended.set()
            await self._links.leave(stay.viewer)
            await stay.watchers.close()
