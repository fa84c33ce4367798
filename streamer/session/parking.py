"""Parking: streams whose viewers lost their connection and may come back for them."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from sam2_rt.engine import Adopted
from streamer.telemetry.metrics import Metrics
from streamer.worker import Worker

_SWEEP_S: Final = 1.0
"""A stream may stay that much longer than it should, and is not adopted in that time."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """A stream that goes on in another session."""

    stream_id: int
    adopted: Adopted
    heir_of: str
    """The session that parked it, by which the viewer's token names it."""


@dataclass(frozen=True, slots=True)
class _Parked:
    stream_id: int
    until_s: float
    """time.monotonic() at which it leaves."""


class Parking:
    """Room for `capacity` streams, each for `for_s` seconds; at the bound the oldest leaves.

    A stream is found by the id of the session that it was in, which its viewer's resume token
    carries and nobody else can read. For one event loop.
    """

    def __init__(self, worker: Worker, capacity: int, for_s: float, metrics: Metrics) -> None:
        self._worker = worker
        self._capacity = capacity if for_s > 0 else 0
        self._for_s = for_s
        self._metrics = metrics
        self._parked: dict[str, _Parked] = {}
        """By session, the oldest first; at most capacity, and as many again while they leave."""

    def __len__(self) -> int:
        return len(self._parked)

    async def put(self, session_id: str, stream_id: int) -> None:
        """Keeps the tracks of a stream after the steps it still waits for, if it has any."""
        if self._capacity == 0:
            await self._worker.close(stream_id)
            return
        if not await self._worker.park(stream_id):
            return
        self._parked[session_id] = _Parked(stream_id, time.monotonic() + self._for_s)
        self._show()
        while len(self._parked) > self._capacity:
            await self.drop(next(iter(self._parked)))

    async def take(self, session_id: str) -> Inherited | None:
        """The stream of that session, which goes on; None when there is none any more.

        Raises WorkerDied.
        """
        parked = self._parked.pop(session_id, None)
        self._show()
        if parked is None:
            return None
        if parked.until_s < time.monotonic():
            await self._worker.close(parked.stream_id)
            return None
        adopted = await self._worker.adopt(parked.stream_id)
        return None if adopted is None else Inherited(parked.stream_id, adopted, session_id)

    async def drop(self, session_id: str) -> bool:
        """Forgets the stream of a session whose viewer does not come back; False: none is there."""
        parked = self._parked.pop(session_id, None)
        self._show()
        if parked is not None:
            await self._worker.close(parked.stream_id)
        return parked is not None

    async def run(self) -> None:
        """Lets those go whose time is over, until it is cancelled."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now_s = time.monotonic()
            for session_id, parked in list(self._parked.items()):
                if parked.until_s < now_s:
                    await self.drop(session_id)

    def _show(self) -> None:
        self._metrics.parked.set(len(self._parked))
