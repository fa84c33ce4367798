"""Session: one viewer's stay: a frame loop in one TaskGroup, behind one fault boundary."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Final

from sam2_rt.engine import StepRequest, StepResult, StreamLost, TickLost
from streamer.config import Settings
from streamer.masks.mask_sender import MaskSender
from streamer.picture.display import Display
from streamer.protocol import ErrorCode, ErrorMessage, ProtocolError
from streamer.session.conversation import Conversation, Question
from streamer.session.finder import Finder
from streamer.session.losses import Losses
from streamer.session.parking import Inherited, Parking
from streamer.session.resume import GoingOn
from streamer.session.session_limits import SessionLimits
from streamer.session.slot import Slot
from streamer.session.tally import Tally
from streamer.session.viewer import Arrival, FrameTooLarge, Outcome, Viewer, ViewerLeft
from streamer.telemetry import logs
from streamer.telemetry.frame_trace import FrameTraces, Tracer
from streamer.telemetry.metrics import Metrics
from streamer.worker import Worker, WorkerDied

log = logging.getLogger(__name__)

_STATS_INTERVAL_S: Final = 1.0
_MAX_TOLD: Final = 16
_AWAY: Final = frozenset({Outcome.VANISHED, Outcome.IDLE, Outcome.STALLED, Outcome.RESUMED})
"""Whoever leaves like this may come back for its tracks."""


class Session:
    """One viewer's stay, from the answer to the end of the connection."""

    def __init__(
        self,
        session_id: str,
        viewer: Viewer,
        worker: Worker,
        painter: Executor,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self.session_id = session_id
        self.last_result: StepResult | None = None
        """Of the last step, for who takes the viewer over."""
        self.parking: Parking | None = None
        """Takes the stream when the viewer may come back for it; None: it is closed."""
        self.on_step: Callable[[float], None] = lambda _duration_s: None
        """Told how long each step took."""
        self._inherited: Inherited | None = None
        """The stream, where it was another session's."""
        self._viewer = viewer
        self._worker = worker
        self._metrics = metrics
        self._settings = settings
        self._limits = SessionLimits(settings, settings.max_tracks)
        self.term = self._limits.term
        self._conversation = Conversation(viewer.say, metrics, self._limits)
        self._tally = tally = Tally(metrics)
        self._arrivals = Slot[Arrival](on_drop=lambda: tally.drop("slot"))
        self._mask_sender = MaskSender(
            viewer, painter, self._conversation, tally, lambda: self._arrivals.dropped
        )
        self.display = Display(viewer, painter, self._conversation, tally)
        self._finder = Finder(worker, painter, self._conversation, self._limits.tracks)
        self._told = deque[str](maxlen=_MAX_TOLD)
        """What was said of frames that are too large or too many."""
        self._last_arrival: Arrival | None = None
        self._losses = Losses(session_id, self._conversation, tally)
        self._stream_id = -1
        """Of the engine; one that is lost is followed by another."""
        self._question: Question  # of the last tick that it was in
        self._has_video = asyncio.Event()
        """Set by the first frame."""
        self._ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        viewer.on_open = self._greet
        viewer.on_message = self._conversation.hear
        viewer.on_end = self.end
        viewer.on_sent = tally.send

    @property
    def conversation(self) -> Conversation:
        """For what others than the viewer ask of the session."""
        return self._conversation

    @property
    def masks(self) -> MaskSender:
        """For who reads the masks beside the viewer."""
        return self._mask_sender

    def end(self, outcome: Outcome) -> None:
        """Makes run() end; the first outcome stands."""
        if not self._ended.done():
            self._ended.set_result(outcome)

    def follow_frames(self, tracer: Tracer) -> None:
        """Has some of its frames traced; before run()."""
        self._tally.traces = FrameTraces(self.session_id, tracer)

    def restore(self, going_on: GoingOn) -> None:
        """Goes on with tracks of the viewer's session before this one; before run()."""
        self._conversation.restore(going_on.resumed, going_on.prompts)
        self._inherited = going_on.inherited
        self.term.lower(going_on.until_s)
        if going_on.inherited is not None:
            self._tally.go_on(going_on.inherited.adopted.encoder_calls)

    def stands_in_for(self, session_id: str) -> bool:
        """It has that session's stream and no frame came yet: its viewer may not have got here."""
        heir_of = None if self._inherited is None else self._inherited.heir_of
        return heir_of == session_id and not self._has_video.is_set()

    async def run(self) -> Outcome:
        """Until the viewer has gone. Never raises but for cancellation: this is the boundary."""
        logs.session_id.set(self.session_id)
        outcome = Outcome.FAULT
        try:
            with self._boundary():
                outcome = await self._stay()
            with self._boundary():
                self._take_leave(outcome)
        finally:
            with self._boundary():
                self._tally.close()
            with self._boundary():
                await self._viewer.close()
        told = logs.facts(outcome=outcome, **self._tally.totals())
        log.info("session %s ended: %s", self.session_id, outcome, extra=told)
        return outcome

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        """A fault within is logged and counted, and goes no further."""
        try:
            yield
        except Exception:
            log.exception("a fault in session %s", self.session_id)
            self._metrics.session_errors.inc()

    def _take_leave(self, outcome: Outcome) -> None:
        reasons = {
            Outcome.IDLE: f"no frame for {self._settings.idle_timeout_s:g} s",
            Outcome.NEVER_CONNECTED: f"no frame within {self._settings.connect_timeout_s:g} s",
            Outcome.TIME_UP: self.term.words,
        }
        if outcome in reasons:
            self._conversation.say(ErrorMessage(code="ended", message=reasons[outcome]))
        if outcome is Outcome.STOPPED:  # which is no reason not to go on at another
            self._conversation.say(ErrorMessage(code="stopped", message="the service stops"))
        if outcome is Outcome.FAULT:
            error = ProtocolError("internal", "the service failed; connect again")
            self._conversation.refuse(error)

    async def _stay(self) -> Outcome:
        try:
            await self._work()
        except* WorkerDied:
            if not self._ended.done():
                raise
            # The worker stops with the service and does not wait for the sessions.
        return self._ended.result()

    async def _work(self) -> None:
        heir = self._inherited
        self._stream_id = await self._worker.open() if heir is None else heir.stream_id
        try:
            async with asyncio.TaskGroup() as group:
                work = (
                    self._receive(),
                    self._track(),
                    self._mask_sender.run(),
                    self.display.show(),
                    self.display.configure(),
                    self._finder.run(),
                    self._report(),
                    self._watch(),
                    self._expire(),
                )
                tasks = [group.create_task(part) for part in work]
                await asyncio.wait((self._ended,))  # a fault cancels this wait, not the outcome
                for task in tasks:
                    task.cancel()
        finally:
            await self._let_go(self._stream_id)

    async def _let_go(self, stream_id: int) -> None:
        """Closes the stream, or keeps it for a viewer who did not mean to leave."""
        outcome = self._ended.result() if self._ended.done() else Outcome.FAULT
        if self.parking is None or outcome in {Outcome.STOPPED, Outcome.FAULT}:
            await self._worker.close(stream_id)
        elif self._inherited is not None and not self._has_video.is_set():
            # The viewer did not get here, and comes with the token of the session before again.
            await self.parking.put(self._inherited.heir_of, stream_id)
        elif outcome in _AWAY:
            await self.parking.put(self.session_id, stream_id)
        else:
            await self._worker.close(stream_id)

    async def _receive(self) -> None:
        """Always awaits the next frame, so that nothing piles up behind it."""
        while True:
            try:
                arrival = await self._viewer.receive(self._settings.max_frame_pixels)
            except FrameTooLarge as error:
                self._tally.receive()
                self._tally.drop("too_large")
                self._tell_once("too_large", str(error))
                continue
            except ViewerLeft:
                self.end(Outcome.LEFT)
                return
            self._tally.receive()
            self._tally.lose(self._viewer.num_undecoded)
            before, frame = self._last_arrival, arrival.frame
            if before is not None and frame.pts <= before.frame.pts:
                self._tally.drop("stale")
                continue
            if before is not None and frame.planes[0].shape != before.frame.planes[0].shape:
                self._metrics.frame_size_changes.inc()
            self._last_arrival = arrival
            self._has_video.set()
            if self._limits.frames.takes(arrival.at_s):
                self._arrivals.put(arrival)
            else:
                self._tally.drop("rate")
                words = f"{self._limits.max_fps:g} frames a second are taken, the others dropped"
                self._tell_once("too_fast", words)

    def _tell_once(self, code: ErrorCode, words: str) -> None:
        if words not in self._told:
            self._told.append(words)
            self._conversation.say(ErrorMessage(code=code, message=words))

    async def _track(self) -> None:
        """The frame loop: the newest frame, and what was said since the last, make one step."""
        while True:
            await self._arrivals.wait()
            begun_s = time.monotonic()
            try:
                step = await self._worker.timed_step(self._stream_id, self._ask)
            except TickLost as lost:
                self._losses.add(self._question, lost)
                if isinstance(lost, StreamLost):
                    before = self.last_result
                    self._stream_id = await self._losses.begin_again(self._worker, before)
                continue
            self._losses.end()
            self.on_step(duration_s := time.monotonic() - begun_s)
            question, arrival, result = self._question, self._question.arrival, step.result
            self._tally.step(arrival, step, duration_s)
            self._conversation.answer(question, result)
            self.last_result = result
            self._mask_sender.put(arrival, result)
            self.display.put(arrival.frame, result)
            self._finder.put(arrival, result)

    def _ask(self) -> StepRequest:
        """When the tick begins, so that the frame is the newest."""
        self._question = self._conversation.ask(self._stream_id, self._arrivals.pop())
        return self._question.request

    def _greet(self) -> None:
        assert self._worker.info is not None, "nobody is let in before the engine is loaded"
        self._conversation.greet(self.session_id, self._worker.info)

    async def _report(self) -> None:
        begun_s = time.monotonic()
        while True:
            await asyncio.sleep(_STATS_INTERVAL_S)
            begun_s, elapsed_s = time.monotonic(), time.monotonic() - begun_s
            self._conversation.say(self._tally.report(elapsed_s))

    async def _expire(self) -> None:
        await self.term.over()
        self.end(Outcome.TIME_UP)

    async def _watch(self) -> None:
        """Ends the session of a viewer who sends nothing."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._has_video.wait()
        except TimeoutError:
            self.end(Outcome.NEVER_CONNECTED)
            return
        while True:
            assert self._last_arrival is not None
            idle_s = time.monotonic() - self._last_arrival.at_s
            if idle_s >= self._settings.idle_timeout_s:
                self.end(Outcome.IDLE)
                return
            await asyncio.sleep(self._settings.idle_timeout_s - idle_s)
