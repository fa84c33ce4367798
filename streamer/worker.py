"""Worker: who waits for the engine, and which of them the next tick is for; on the event loop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from sam2_rt.engine import Adopted, EngineLost, StepRequest, StepResult, StreamLost
from sam2_rt.line import Line
from sam2_rt.steps import EngineInfo, Steps
from streamer.engine_thread import Asker, Call, EngineThread, Tick, Told
from streamer.session.journey import TimedStep

__all__ = ["EngineInfo", "Steps", "Worker", "WorkerDied", "WorkerState"]

log = logging.getLogger(__name__)


class WorkerDied(Exception):
    """The Worker's thread has ended, so nothing can be stepped any more."""


class WorkerState(StrEnum):
    """Where the Worker is in its life."""

    LOADING = "loading"
    READY = "ready"
    STOPPED = "stopped"
    DEAD = "dead"
    """The engine could not be loaded, or its thread ended by a fault."""


class Worker:
    """Owns the Engine on a thread of its own. Its methods are called on one event loop.

    The loop decides when a tick begins and who is in it; the thread carries it out.
    """

    def __init__(self, load: Callable[[], Steps], max_batch: int, max_waiting: int) -> None:
        """max_batch: frames of a tick; max_waiting: calls and steps that wait at once."""
        self.state = WorkerState.LOADING
        self.info: EngineInfo | None = None
        """Of the engine, once it is loaded."""
        self.fault: BaseException | None = None
        """Why the thread died."""
        self.settled = asyncio.Event()
        """The engine is loaded, or will never be."""
        self.on_lost: Callable[[], None] = lambda: None
        """Told that an engine was lost and another is being loaded."""
        self.on_batch: Callable[[int], None] = lambda _num_frames: None
        """Told after each tick how many frames the engine stepped as one batch."""
        self.warm_up_s: float | None = None
        """What loading, compiling and warming up took; None until then."""
        self._max_waiting = max_waiting
        self._calls: list[Call] = []
        """That wait."""
        self._line = Line[Asker](max_batch)
        """The streams that wait; with the calls at most max_waiting."""
        self._tick: Tick | None = None
        """What the thread is at."""
        self._window: asyncio.TimerHandle | None = None
        """Closes the window of the line."""
        self._loop = asyncio.get_running_loop()
        told = Told(
            is_ready=self._become_ready,
            has_called=lambda call, answer: _resolve(call.future, answer),
            has_stepped=self._end_tick,
            has_lost=self._lose,
            has_died=self._die,
            has_ended=self._refuse_waiting,
        )
        self._thread = EngineThread(load, told)

    def start(self) -> None:
        """Begins to load the engine."""
        self._thread.start()

    @property
    def silent_s(self) -> float:
        """For how long the thread gave no sign of life, as in a step; 0 unless it is ready."""
        return time.monotonic() - self._thread.beat_s if self.state is WorkerState.READY else 0.0

    async def open(self) -> int:
        """Begins a stream. Raises WorkerDied, or what the engine raised."""
        stream_id = await self._submit(lambda engine: engine.open())
        assert isinstance(stream_id, int)
        return stream_id

    async def close(self, stream_id: int) -> None:
        """Forgets a stream, after the steps it still waits for; nothing once the thread ends."""
        with contextlib.suppress(WorkerDied):  # the engine has gone, and its streams with it
            await self._submit(lambda engine: engine.close(stream_id))

    async def park(self, stream_id: int) -> tuple[int, ...]:
        """Lets a stream rest, after the steps it still waits for; the ids of the tracks it keeps.

        None of them, and the stream is closed, without tracks or once the thread ends.
        """
        with contextlib.suppress(WorkerDied):
            kept = await self._submit(lambda engine: engine.park(stream_id))
            assert isinstance(kept, tuple)
            return kept
        return ()

    async def adopt(self, stream_id: int) -> Adopted | None:
        """Lets a parked stream go on; None when it had to leave. Raises WorkerDied."""
        adopted = await self._submit(lambda engine: engine.adopt(stream_id))
        assert adopted is None or isinstance(adopted, Adopted)
        return adopted

    async def step(self, request: StepRequest) -> StepResult:
        """One frame of one stream. Raises WorkerDied, or what the engine raised for this request.

        A stream asks for its next step after the answer to the last.
        """
        return (await self.timed_step(request.stream_id, lambda: request)).result

    async def timed_step(self, stream_id: int, ask: Callable[[], StepRequest]) -> TimedStep:
        """The same for a stream that has a frame; `ask` is called when the tick begins.

        So the frame may be one that came while the stream waited. Not called for a caller that is
        cancelled meanwhile. Raises what `ask` raises, too.
        """
        self._check_room()
        asker = Asker(stream_id, ask, self._loop.create_future())
        self._line.add(stream_id, asker)
        self._begin_if_due()
        step = await asker.future
        assert isinstance(step, TimedStep)
        return step

    async def stop(self, timeout_s: float) -> bool:
        """Ends the thread after the batch it is at; False when that took longer than timeout_s.

        Then whoever still waits gets WorkerDied, and the thread is left to itself.
        """
        if self.state is not WorkerState.DEAD:
            self.state = WorkerState.STOPPED
        has_ended = await asyncio.to_thread(self._thread.stop, timeout_s)
        if not has_ended:
            self._refuse_waiting()
        return has_ended

    async def _submit(self, call: Callable[[Steps], object]) -> object:
        self._check_room()
        job = Call(call, self._loop.create_future())
        self._calls.append(job)
        self._begin_if_due()
        return await job.future

    def _check_room(self) -> None:
        if self.state in (WorkerState.DEAD, WorkerState.STOPPED):
            raise WorkerDied(f"the worker is {self.state}")
        waiting = len(self._calls) + len(self._line)
        assert waiting < self._max_waiting, "more callers than sessions: our own fault"

    def _begin_if_due(self) -> None:
        """On the loop: gives the thread its next tick, if it is free and there is one."""
        if self.state is not WorkerState.READY or self._tick is not None:
            return
        tick = Tick(calls=self._calls)
        while self._line.is_due and not tick.requests:  # none: all had gone that were taken
            for asker in self._line.take():
                _ask(asker, tick)
        if tick.futures:
            self._calls = []
            self._tick = tick
            self._thread.begin(tick)

    def _end_tick(
        self, tick: Tick, answers: Sequence[TimedStep | Exception], window_s: float
    ) -> None:
        """On the loop: the thread is free, and this is what the requests came to."""
        self._tick = None
        for asker, answer in zip(tick.askers, answers, strict=True):
            _resolve(asker.future, answer)
        stepped = [a.result.batch_frames for a in answers if isinstance(a, TimedStep)]
        if stepped:
            self.on_batch(max(stepped))
        if tick.askers:
            self._open_window(tick.askers, window_s)
        self._begin_if_due()

    def _open_window(self, answered: Sequence[Asker], length_s: float) -> None:
        """Who has a frame already comes back before the timer is looked at, however short it is."""
        if self._window is not None:
            self._window.cancel()
        self._line.open_window([asker.stream_id for asker in answered])
        self._window = self._loop.call_later(length_s, self._close_window)

    def _close_window(self) -> None:
        self._line.close_window()
        self._begin_if_due()

    def _become_ready(self, info: EngineInfo) -> None:
        if self.state is WorkerState.LOADING:
            self.state = WorkerState.READY
        self.warm_up_s = time.monotonic() - self._thread.begun_s
        self.info = info
        self.settled.set()
        self._begin_if_due()

    def _lose(self, lost: EngineLost) -> None:
        log.error("the engine was lost; another is loaded: %s", lost)
        if self.state is WorkerState.READY:
            self.state = WorkerState.LOADING
        self.on_lost()
        tick, self._tick = self._tick, None
        self._line.close_window()
        for future in [] if tick is None else tick.futures:
            _resolve(future, StreamLost(str(lost)))

    def _die(self, fault: BaseException) -> None:
        log.error("the worker's thread died", exc_info=fault)
        self.state = WorkerState.DEAD
        self.fault = fault
        self.settled.set()
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        """When the thread has ended, or is given up: whoever still waits is told."""
        waiting = [call.future for call in self._calls]
        waiting += [asker.future for asker in self._line.take_all()]
        waiting += [] if self._tick is None else self._tick.futures
        self._calls, self._tick = [], None
        for future in waiting:
            _resolve(future, WorkerDied(f"the worker is {self.state}"))


def _ask(asker: Asker, tick: Tick) -> None:
    """Adds its request to the tick, unless its session has gone."""
    if asker.future.done():
        return
    try:
        request = asker.ask()
    except Exception as error:  # noqa: BLE001 (a session's own fault is told to that session)
        asker.future.set_exception(error)
        return
    tick.askers.append(asker)
    tick.requests.append(request)


def _resolve(future: asyncio.Future[Any], answer: object) -> None:
    """On the loop: the future gets its answer, unless its session has gone."""
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
