"""EngineThread: the one thread that owns the Engine; it carries out one tick at a time."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, TypeVarTuple

from sam2_rt.engine import EngineLost, StepRequest, StepResult
from sam2_rt.line import window_s
from sam2_rt.remote.remote_engine import RemoteEngine
from sam2_rt.steps import EngineInfo, Steps
from streamer.patience import Patience
from streamer.session.journey import StepTimes, TimedStep

T = TypeVar("T")
Parts = TypeVarTuple("Parts")

_BEAT_S: Final = 1.0
"""Between two signs of life of the thread while nothing is to be done."""
_MAX_LOSSES: Final = 3
"""Engines that may be lost in _LOSSES_S; one more, and another would fare no better."""
_LOSSES_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """Something to be done with the engine that is no step, and who waits for it."""

    call: Callable[[Steps], object]
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Asker:
    """A stream that has a frame, and who waits for the answer."""

    stream_id: int
    ask: Callable[[], StepRequest]
    """Makes the request, on the loop, when the tick begins."""
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Tick:
    """All calls, then one step with all requests."""

    calls: list[Call]
    askers: list[Asker] = field(default_factory=list)
    requests: list[StepRequest] = field(default_factory=list)
    """One of each asker, in order."""

    @property
    def futures(self) -> list[asyncio.Future[Any]]:
        """Of all who wait for it."""
        calls = [call.future for call in self.calls]
        return calls + [asker.future for asker in self.askers]


@dataclass(frozen=True, slots=True)
class Told:
    """What is called on the loop when something becomes of the thread."""

    is_ready: Callable[[EngineInfo], None]
    """An engine is loaded, the first or another after a loss."""
    has_called: Callable[[Call, object], None]
    """The answer, or the exception that was raised."""
    has_stepped: Callable[[Tick, Sequence[TimedStep | Exception], float], None]
    """The tick's end: an answer for each request, and for how many seconds to wait for others."""
    has_lost: Callable[[EngineLost], None]
    """The engine is gone with the tick that it was at; another is being loaded."""
    has_died: Callable[[BaseException], None]
    """By a fault."""
    has_ended: Callable[[], None]
    """As it was asked to."""


class EngineThread:
    """Made on the loop, and told by it what to do."""

    def __init__(self, load: Callable[[], Steps], told: Told) -> None:
        self.begun_s = time.monotonic()
        """When it began to load the engine."""
        self.beat_s = self.begun_s
        """Its last sign of life."""
        self._load = load
        self._told = told
        self._has_to_stop = False
        self._ticks: queue.Queue[Tick | None] = queue.Queue(maxsize=2)
        """The next tick, and None behind it to wake up."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begins to load the engine."""
        self._thread.start()

    def begin(self, tick: Tick) -> None:
        """Has a tick carried out; after the end of the one before."""
        self._ticks.put_nowait(tick)

    def stop(self, timeout_s: float) -> bool:
        """Blocks until it has ended, after the tick it is at; False: that takes longer."""
        self._has_to_stop = True
        with contextlib.suppress(queue.Full):  # stopped before
            self._ticks.put_nowait(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        """The thread."""
        patience = Patience(_MAX_LOSSES, _LOSSES_S)
        try:
            while not self._has_to_stop:
                try:
                    self._live()
                except EngineLost as lost:
                    if patience.is_over_with():
                        raise
                    self._tell(self._told.has_lost, lost)
        except BaseException as fault:  # noqa: BLE001 (the end of the thread must reach the loop)
            self._tell(self._told.has_died, fault)
        else:
            self._tell(self._told.has_ended)

    def _live(self) -> None:
        """From the loading of an engine to the stop. Raises EngineLost."""
        self.begun_s = time.monotonic()
        engine = self._load()
        self.beat_s = time.monotonic()
        self._tell(self._told.is_ready, engine.info)
        while not self._has_to_stop:
            tick = self._wait()
            if tick is not None:
                self._carry_out(engine, tick)

    def _wait(self) -> Tick | None:
        """The next tick; None to wake up."""
        while True:
            self.beat_s = time.monotonic()
            with contextlib.suppress(queue.Empty):  # nothing to be done is a sign of life too
                return self._ticks.get(timeout=_BEAT_S)

    def _carry_out(self, engine: Steps, tick: Tick) -> None:
        self.beat_s = time.monotonic()
        for one in tick.calls:
            self._tell(self._told.has_called, one, _attempt(one.call, engine))
        begun_s = time.monotonic()
        answers = _step(engine, tick.requests) if tick.requests else ()
        took_s = time.monotonic() - begun_s
        # A host waits for the callers of all processes itself, and no longer than for one window.
        length_s = 0.0 if isinstance(engine, RemoteEngine) else window_s(took_s)
        self._tell(self._told.has_stepped, tick, answers, length_s)

    def _tell(self, told: Callable[[*Parts], None], *parts: *Parts) -> None:
        with contextlib.suppress(RuntimeError):  # closed: stop() did not wait, nobody is there
            self._loop.call_soon_threadsafe(told, *parts)


def _attempt(call: Callable[[Steps], T], engine: Steps) -> T | Exception:
    """What the call returns or raises, but for EngineLost, which is raised."""
    try:
        return call(engine)
    except EngineLost:
        raise
    except Exception as error:  # noqa: BLE001 (goes to whoever called)
        return error


def _step(engine: Steps, requests: Sequence[StepRequest]) -> Sequence[TimedStep | Exception]:
    """One for each request, in order. Raises EngineLost."""
    begun_s = time.monotonic()
    answers = _attempt(lambda engine: engine.step(requests), engine)
    ended_s = time.monotonic()
    if isinstance(answers, Exception):
        return [answers] * len(requests)
    return [_timed(answer, begun_s, ended_s) for answer in answers]


def _timed(answer: StepResult | Exception, begun_s: float, ended_s: float) -> TimedStep | Exception:
    if isinstance(answer, Exception):
        return answer
    return TimedStep(answer, StepTimes(begun_s, begun_s + answer.encode_s, ended_s))
