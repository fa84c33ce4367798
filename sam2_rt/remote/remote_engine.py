"""RemoteEngine: an engine in another process, with the same methods as one in this process."""

import itertools
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Client, Connection
from multiprocessing.reduction import send_handle
from typing import Final, NamedTuple

from sam2_rt.fault import EngineLost, StreamLost
from sam2_rt.remote.shared_stream import Layout, NoRoom, SharedStream
from sam2_rt.remote.wire import Call, Message, Open, RequestSlip, ResultSlip, Step
from sam2_rt.steps import Adopted, EngineInfo, StepRequest, StepResult

LOGITS_STRIDE: Final = 4
"""Pixels of the model's input for each of a decoded mask."""

_AGAIN_S: Final = 0.2
"""Between two looks whether an engine is there."""

_stream_ids = itertools.count()
"""Of all engines that this process ever had: a stream of one that died is unknown to the next."""


class EngineAddress(NamedTuple):
    """How an engine in another process is reached; to be handed to processes that may."""

    path: str
    """Of its socket."""
    key: bytes
    max_pixels: int
    """Of a frame."""

    def connect(self) -> "RemoteEngine":
        """Raises EngineLost when nobody answers there, as before the engine is loaded."""
        try:
            connection = Client(self.path, authkey=self.key)
        except (EOFError, OSError) as error:
            raise EngineLost("the engine's process is gone") from error
        return RemoteEngine(connection, self.max_pixels)

    def connect_when_loaded(self) -> "RemoteEngine":
        """Waits for an engine, for as long as it takes."""
        while True:
            try:
                return self.connect()
            except EngineLost:
                time.sleep(_AGAIN_S)


class _Stream(NamedTuple):
    remote_id: int
    shared: SharedStream


class RemoteEngine:
    """One connection to an engine. All calls come from one thread, as for an Engine itself.

    Every method raises EngineLost once the other process is gone.
    """

    def __init__(self, connection: Connection, max_pixels: int) -> None:
        """The connection's first message says what the engine is. max_pixels: of a frame."""
        self._connection = connection
        self._streams: dict[int, _Stream] = {}
        """By the id that callers know."""
        with _told_as_lost():
            self.info: EngineInfo = connection.recv()
        side = self.info.image_size // LOGITS_STRIDE
        self._layout = Layout(max_pixels, self.info.max_tracks, side)

    def open(self) -> int:
        """Begins a stream, with memory that is shared with the engine; returns its id."""
        shared, descriptor = SharedStream.create(self._layout)
        try:
            remote_id = self._ask(Open(self._layout), descriptor)
        finally:
            os.close(descriptor)
        assert isinstance(remote_id, int)
        stream_id = next(_stream_ids)
        self._streams[stream_id] = _Stream(remote_id, shared)
        return stream_id

    def close(self, stream_id: int) -> None:
        """Ends a stream; one that is unknown is no error."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._ask(Call("close", stream.remote_id))

    def park(self, stream_id: int) -> tuple[int, ...]:
        """As Engine.park; an unknown stream has nothing to keep."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return ()
        kept = self._ask(Call("park", stream.remote_id))
        assert isinstance(kept, tuple)
        if not kept:
            del self._streams[stream_id]
        return kept

    def adopt(self, stream_id: int) -> Adopted | None:
        """As Engine.adopt."""
        stream = self._streams.get(stream_id)
        adopted = None if stream is None else self._ask(Call("adopt", stream.remote_id))
        if adopted is None:
            self._streams.pop(stream_id, None)
            return None
        assert isinstance(adopted, Adopted)
        return adopted

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        """As Engine.step. StreamLost is the answer for a stream of an engine before this one."""
        slips = [self._slip(request) for request in requests]
        sent = tuple(slip for slip in slips if isinstance(slip, RequestSlip))
        answers = iter(self._ask_step(Step(sent)) if sent else ())
        return [
            slip if isinstance(slip, Exception) else self._result(request, next(answers))
            for request, slip in zip(requests, slips, strict=True)
        ]

    def hang_up(self) -> None:
        """Ends the connection; the engine forgets its streams."""
        self._connection.close()

    def _slip(self, request: StepRequest) -> RequestSlip | Exception:
        stream = self._streams.get(request.stream_id)
        if stream is None:
            return StreamLost("the engine that had this stream is gone")
        try:
            frame = stream.shared.put_frame(request.frame)
        except NoRoom as error:
            return error
        said = request.prompts, request.removals, request.is_again
        return RequestSlip(stream.remote_id, frame, *said)

    def _result(
        self, request: StepRequest, answer: ResultSlip | Exception
    ) -> StepResult | Exception:
        if isinstance(answer, Exception):
            return answer
        shared = self._streams[request.stream_id].shared
        return replace(answer.result, masks=shared.masks(answer.masks))

    def _ask_step(self, step: Step) -> tuple[ResultSlip | Exception, ...]:
        answers = self._ask(step)
        assert isinstance(answers, tuple)
        return answers

    def _ask(self, message: Message, descriptor: int | None = None) -> object:
        """Says one thing and waits for the answer. Raises what the engine raised."""
        with _told_as_lost():
            self._connection.send(message)
            if descriptor is not None:
                send_handle(self._connection, descriptor, None)
            answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def _told_as_lost() -> Iterator[None]:
    """What a connection raises when the other side is gone becomes EngineLost."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise EngineLost("the engine's process is gone") from error
