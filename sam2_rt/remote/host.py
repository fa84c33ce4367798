"""Host: lends one engine to callers in other processes; the frames of all make one batch."""

import contextlib
import logging
import os
import pickle
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from multiprocessing.reduction import recv_handle
from typing import Final, NamedTuple

from sam2_rt.fault import EngineLost, StreamLost
from sam2_rt.line import Line, window_s
from sam2_rt.remote.shared_stream import SharedStream
from sam2_rt.remote.wire import Call, Message, Open, RequestSlip, ResultSlip, Step
from sam2_rt.steps import StepRequest, StepResult, Steps

log = logging.getLogger(__name__)

MAX_CALLERS: Final = 64
"""Connections at once; each asks for one thing at a time."""
MAX_BATCH: Final = 8
"""Frames of a tick, where nothing else is said."""


@dataclass(eq=False, slots=True)
class _Caller:
    """A process that uses the engine."""

    connection: Connection
    streams: dict[int, SharedStream] = field(default_factory=dict)
    """Its own, by id: it can reach no others."""


class _Asked(NamedTuple):
    caller: _Caller
    message: Message | None
    """None: the caller is gone."""
    shared: SharedStream | None = None
    """Of a stream that is to be opened."""


class Host:
    """Owns the engine on the thread that serves."""

    def __init__(self, engine: Steps, listener: Listener, max_batch: int = MAX_BATCH) -> None:
        self._engine = engine
        self._listener = listener
        self._max_batch = max_batch
        self._asked: queue.Queue[_Asked] = queue.Queue(maxsize=2 * MAX_CALLERS)
        """What was heard; from the threads that listen."""
        self._line = Line[_Asked](max_batch)
        """Callers that wait for a tick."""
        self._window_ends_s = 0.0
        """time.monotonic() until which callers may join those who wait."""
        self._places = threading.Semaphore(MAX_CALLERS)

    def serve(self) -> None:
        """Until the process ends. Raises EngineLost, after which it is of no use."""
        threading.Thread(target=self._admit, name="admit", daemon=True).start()
        while True:
            self._step(self._gather())

    def _gather(self) -> list[_Asked]:
        """The steps of the next tick. Whatever else is asked meanwhile is carried out."""
        while True:
            with contextlib.suppress(queue.Empty):
                while True:
                    self._take_in(self._asked.get_nowait())
            if self._line.is_due:
                return self._line.take()
            left_s = max(0.0, self._window_ends_s - time.monotonic())
            try:
                self._take_in(self._asked.get(timeout=left_s if self._line.is_expecting else None))
            except queue.Empty:
                self._line.close_window()

    def _take_in(self, asked: _Asked) -> None:
        """A step waits for the next tick; anything else is carried out."""
        if isinstance(asked.message, Step):
            self._line.add(asked.caller, asked, len(asked.message.requests))
        else:
            self._carry_out(asked)

    def _step(self, asked: list[_Asked]) -> None:
        """The frames of all these callers as one batch."""
        begun_s = time.monotonic()
        slips = [(one.caller, slip) for one in asked for slip in _requests(one.message)]
        requests = [_request(caller, slip) for caller, slip in slips]
        known = [request for request in requests if isinstance(request, StepRequest)]
        answers = self._stepped(known)
        results = iter(
            [
                _written(caller.streams[slip.stream_id], next(answers))
                if isinstance(request, StepRequest)
                else request
                for (caller, slip), request in zip(slips, requests, strict=True)
            ]
        )
        for one in asked:
            _say(one.caller, tuple(next(results) for _ in _requests(one.message)))
        ended_s = time.monotonic()
        self._line.open_window([one.caller for one in asked])
        self._window_ends_s = ended_s + window_s(ended_s - begun_s)

    def _stepped(self, requests: list[StepRequest]) -> Iterator[StepResult | Exception]:
        """An answer for each; in several batches where one caller asks for more than fit in one."""
        for start in range(0, len(requests), self._max_batch):
            batch = requests[start : start + self._max_batch]
            try:
                yield from self._engine.step(batch)
            except EngineLost:
                raise
            except Exception as error:  # noqa: BLE001 (goes to those whose requests these were)
                yield from [error] * len(batch)

    def _carry_out(self, asked: _Asked) -> None:
        """Whatever is no step."""
        caller, message = asked.caller, asked.message
        if message is None:
            self._forget(caller)
            return
        try:
            _say(caller, self._answer(caller, message, asked.shared))
        except EngineLost:
            raise
        except Exception as error:  # noqa: BLE001 (goes to the caller)
            _say(caller, sendable(error))

    def _answer(self, caller: _Caller, message: Message, shared: SharedStream | None) -> object:
        if isinstance(message, Open):
            assert shared is not None, "its memory came with it"
            stream_id = self._engine.open()
            caller.streams[stream_id] = shared
            return stream_id
        assert isinstance(message, Call)
        if message.stream_id not in caller.streams:
            raise StreamLost(f"stream {message.stream_id} is not open here")
        answer: object = getattr(self._engine, message.method)(message.stream_id)
        if message.method == "close" or not answer:  # nothing is kept of it
            del caller.streams[message.stream_id]
        return answer

    def _forget(self, caller: _Caller) -> None:
        """Its streams go with it, and what it waited for."""
        self._line.leave(caller)
        for stream_id in caller.streams:
            self._engine.close(stream_id)
        caller.connection.close()
        self._places.release()

    def _admit(self) -> None:
        """A thread: takes callers in, as long as there are places."""
        while True:
            self._places.acquire()
            try:
                caller = _Caller(self._listener.accept())
            except (AuthenticationError, EOFError, OSError):
                log.warning("a caller was turned away", exc_info=True)
                self._places.release()
                continue
            threading.Thread(target=self._hear, args=(caller,), daemon=True).start()

    def _hear(self, caller: _Caller) -> None:
        """A thread for each caller: passes on what it says, until it is gone."""
        with contextlib.suppress(EOFError, OSError):
            caller.connection.send(self._engine.info)
            while True:
                message: Message = caller.connection.recv()
                shared = _receive_memory(caller, message) if isinstance(message, Open) else None
                self._asked.put(_Asked(caller, message, shared))
        self._asked.put(_Asked(caller, None))


def _receive_memory(caller: _Caller, message: Open) -> SharedStream:
    descriptor = recv_handle(caller.connection)
    try:
        return SharedStream.attach(message.layout, descriptor)
    finally:
        os.close(descriptor)


def _requests(message: Message | None) -> tuple[RequestSlip, ...]:
    assert isinstance(message, Step)
    return message.requests


def _request(caller: _Caller, slip: RequestSlip) -> StepRequest | Exception:
    shared = caller.streams.get(slip.stream_id)
    if shared is None:
        return StreamLost(f"stream {slip.stream_id} is not open here")
    said = slip.prompts, slip.removals, slip.is_again
    return StepRequest(slip.stream_id, shared.frame(slip.frame), *said)


def _written(shared: SharedStream, answer: StepResult | Exception) -> ResultSlip | Exception:
    """The answer with its masks in the stream's memory."""
    if isinstance(answer, Exception):
        return sendable(answer)
    return ResultSlip(replace(answer, masks=()), shared.put_masks(answer.masks))


def _say(caller: _Caller, answer: object) -> None:
    """Whoever is gone is found out about where it is listened to."""
    with contextlib.suppress(OSError):
        caller.connection.send(answer)


def sendable(error: Exception) -> Exception:
    """The same, or in words what cannot be pickled and made again."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 our own
    except Exception:  # noqa: BLE001 (an exception's own code may raise anything)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
