"""Worker: the one thread that owns the Engine; gathers a micro-batch, answers through futures."""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVarTuple

from sam2_rt.engine import Adopted, EngineLost, StepRequest, StepResult, StreamLost
from sam2_rt.steps import EngineInfo, Steps
from streamer.patience import Patience
from streamer.session.journey import StepTimes, TimedStep

__all__ = ["EngineInfo", "Steps", "Worker", "WorkerDied", "WorkerState"]

Parts = TypeVarTuple("Parts")

log = logging.getLogger(__name__)

_BEAT_S: Final = 1.0
"""Between two signs of life of the thread while nothing is to be done."""
_MAX_LOSSES: Final = 3
"""Engines that may be lost in _LOSSES_S; one more, and another would fare no better."""
_LOSSES_S: Final = 60.0


class WorkerDied(Exception):
    """The Worker's thread has ended, so nothing can be stepped any more."""


class WorkerState(StrEnum):
    """Where the Worker is in its life."""

    LOADING = "loading"
    READY = "ready"
    STOPPED = "stopped"
    DEAD = "dead"
    """The engine could not be loaded, or its thread ended by a fault."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A call on the Worker's thread, and who waits for it."""

    call: StepRequest | Callable[[Steps], Any]
    future: asyncio.Future[Any]


class Worker:
    """Owns the Engine on a thread of its own. Its methods are called on one event loop."""

    def __init__(self, load: Callable[[], Steps], max_batch: int, max_waiting: int) -> None:
        self.state = WorkerState.LOADING
        self.info: EngineInfo | None = None
        """Of the engine, once it is loaded."""
        self.fault: BaseException | None = None
        """Why the thread died."""
        self.settled = asyncio.Event()
        """The engine is loaded, or will never be."""
        self.on_lost: Callable[[], None] = lambda: None
        """Told that an engine was lost and another is being loaded."""
        self.warm_up_s: float | None = None
        """What loading, compiling and warming up took; None until then."""
        self._beat_s = self._begun_s = time.monotonic()
        """The thread's last sign of life, and when it began to load."""
        self._load = load
        self._max_batch = max_batch
        self._jobs: queue.Queue[_Job | None] = queue.Queue(maxsize=max_waiting)
        self._batch: list[_Job] = []
        """What the thread is at."""
        self._held: _Job | None = None
        """The job that ended a batch because it is no step; the next one to be done."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begins to load the engine."""
        self._thread.start()

    @property
    def silent_s(self) -> float:
        """For how long the thread gave no sign of life, as in a step; 0 unless it is ready."""
        return time.monotonic() - self._beat_s if self.state is WorkerState.READY else 0.0

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
        return (await self.timed_step(request)).result

    async def timed_step(self, request: StepRequest) -> TimedStep:
        """The same, and when the engine was at it."""
        step = await self._submit(request)
        assert isinstance(step, TimedStep)
        return step

    async def stop(self, timeout_s: float) -> bool:
        """Ends the thread after the batch it is at; False when that took longer than timeout_s.

        Then whoever still waits gets WorkerDied, and the thread is left to itself.
        """
        if self.state is not WorkerState.DEAD:
            self.state = WorkerState.STOPPED
        with contextlib.suppress(queue.Full):  # then it waits for no job and will see the state
            self._jobs.put_nowait(None)
        await asyncio.to_thread(self._thread.join, timeout_s)
        if is_busy := self._thread.is_alive():
            self._refuse_waiting()
        return not is_busy

    async def _submit(self, call: StepRequest | Callable[[Steps], Any]) -> object:
        if self.state in (WorkerState.DEAD, WorkerState.STOPPED):
            raise WorkerDied(f"the worker is {self.state}")
        job = _Job(call, self._loop.create_future())
        self._jobs.put_nowait(job)  # queue.Full means more callers than sessions: our own fault
        return await job.future

    def _run(self) -> None:
        """The thread."""
        patience = Patience(_MAX_LOSSES, _LOSSES_S)
        try:
            while self.state is not WorkerState.STOPPED:
                try:
                    self._live()
                except EngineLost as lost:
                    if patience.is_over_with():
                        raise
                    self._tell_loop(self._lose, lost, self._batch)
                    self._batch = []
        except BaseException as fault:  # noqa: BLE001 (the end of the thread must reach the loop)
            self._tell_loop(self._die, fault)
        else:
            self._tell_loop(self._refuse_waiting)

    def _live(self) -> None:
        """From the loading of an engine to the worker's stop. Raises EngineLost."""
        self._begun_s = time.monotonic()
        engine = self._load()
        self._beat_s = time.monotonic()
        self._tell_loop(self._become_ready, engine.info)
        while self.state is not WorkerState.STOPPED:
            self._batch = self._gather()
            if self._batch:
                self._serve(engine, self._batch)
                self._batch = []

    def _gather(self) -> list[_Job]:
        """The next job, and with a step all steps that wait behind it; empty to wake up."""
        first = self._held or self._wait()
        self._held = None
        if first is None:
            return []
        batch = [first]
        while isinstance(first.call, StepRequest) and len(batch) < self._max_batch:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None or not isinstance(job.call, StepRequest):
                self._held = job
                break
            batch.append(job)
        return batch

    def _wait(self) -> _Job | None:
        """The next job."""
        while True:
            self._beat_s = time.monotonic()
            with contextlib.suppress(queue.Empty):  # nothing to be done is a sign of life too
                return self._jobs.get(timeout=_BEAT_S)

    def _serve(self, engine: Steps, batch: list[_Job]) -> None:
        requests = [job.call for job in batch if isinstance(job.call, StepRequest)]
        answers: Sequence[object]
        self._beat_s = begun_s = time.monotonic()
        try:
            if requests:
                answers = _timed(engine.step(requests), begun_s)
            else:
                assert not isinstance(batch[0].call, StepRequest)
                answers = [batch[0].call(engine)]
        except EngineLost:
            raise
        except Exception as error:  # noqa: BLE001 (goes to the sessions whose requests these were)
            answers = [error] * len(batch)
        self._tell_loop(_resolve, batch, answers)

    def _tell_loop(self, told: Callable[[*Parts], None], *parts: *Parts) -> None:
        with contextlib.suppress(RuntimeError):  # closed: stop() did not wait, nobody is there
            self._loop.call_soon_threadsafe(told, *parts)

    def _become_ready(self, info: EngineInfo) -> None:
        if self.state is WorkerState.LOADING:
            self.state = WorkerState.READY
        self.warm_up_s = time.monotonic() - self._begun_s
        self.info = info
        self.settled.set()

    def _lose(self, lost: EngineLost, batch: list[_Job]) -> None:
        log.error("the engine was lost; another is loaded: %s", lost)
        if self.state is WorkerState.READY:
            self.state = WorkerState.LOADING
        self.on_lost()
        _resolve(batch, [StreamLost(str(lost))] * len(batch))

    def _die(self, fault: BaseException) -> None:
        log.error("the worker's thread died", exc_info=fault)
        self.state = WorkerState.DEAD
        self.fault = fault
        self.settled.set()
        self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        """When the thread has ended, or is given up: whoever still waits is told."""
        waiting = self._batch if self._held is None else [*self._batch, self._held]
        self._batch, self._held = [], None
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                waiting += [] if job is None else [job]
        _resolve(waiting, [WorkerDied(f"the worker is {self.state}")] * len(waiting))


def _timed(
    answers: Sequence[StepResult | Exception], begun_s: float
) -> list[TimedStep | Exception]:
    """The answers of a step that ends now."""
    ended_s = time.monotonic()
    return [
        answer
        if isinstance(answer, Exception)
        else TimedStep(answer, StepTimes(begun_s, begun_s + answer.encode_s, ended_s))
        for answer in answers
    ]


def _resolve(batch: Sequence[_Job], answers: Sequence[object]) -> None:
    """On the loop: each job's future gets its answer, unless its session has gone."""
    for job, answer in zip(batch, answers, strict=True):
        if job.future.done():
            continue
        if isinstance(answer, Exception):
            job.future.set_exception(answer)
        else:
            job.future.set_result(answer)
