"""Vitals: how the service is at this moment, for probes and scrapes. Never about capacity.

A ReplicaSet gives up unready pods first, so a full service that called itself unready would be the
first to go. A probe that is not answered at all tells of an event loop that stands still.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from streamer.telemetry.metrics import Gauge, Metrics
from streamer.worker import Worker, WorkerState

_MAX_WAITING: Final = 1024
"""Refusals that are remembered; the oldest are forgotten first."""
_SHOW_S: Final = 0.5
"""Between two looks at the gauges of several media workers."""
_ASKS_AGAIN_S: Final = 1.0
"""More than a viewer was told to wait: for who asks again on time is still there meanwhile."""


class Serving(Protocol):
    """What is asked of the service."""

    worker: Worker
    is_draining: bool
    is_stopping: bool

    @property
    def num_open(self) -> int:
        """Sessions that have not ended."""


class Vitals:
    """Of one service, from its start."""

    def __init__(
        self, service: Serving, stall_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service = service
        self._stall_s = stall_s
        self._clock = clock
        self._awaited_until_s: deque[float] = deque(maxlen=_MAX_WAITING)
        """Of those who were turned away for want of a place, the last _MAX_WAITING."""

    def turn_away(self, retry_after_s: float) -> None:
        """Somebody found no place and was told to come again."""
        self._awaited_until_s.append(self._clock() + retry_after_s + _ASKS_AGAIN_S)

    @property
    def waiting(self) -> int:
        """Viewers who found no place and have not had the time to ask again."""
        now_s = self._clock()
        return sum(until_s > now_s for until_s in self._awaited_until_s)

    @property
    def why_dead(self) -> str | None:
        """Why only another process could do the work; None: this one can."""
        worker = self._service.worker
        if worker.state is WorkerState.DEAD:
            return "the engine's thread died"
        if worker.silent_s > self._stall_s:
            return f"the engine has been silent for {worker.silent_s:.0f} s"
        return None

    @property
    def why_unready(self) -> str | None:
        """Why nobody is let in, however many places are free; None: who comes finds one or not."""
        service = self._service
        if service.is_stopping:
            return "stopping"
        if service.is_draining:
            return "draining"
        return None if service.worker.state is WorkerState.READY else str(service.worker.state)

    def show(self, metrics: Metrics) -> None:
        """Gauges that are looked at when somebody scrapes."""
        for gauge, look in self._gauges(metrics):
            gauge.set_function(look)

    async def keep_shown(self, metrics: Metrics) -> None:
        """The same where another process may be scraped, which cannot look; until cancelled."""
        while True:
            for gauge, look in self._gauges(metrics):
                gauge.set(look())
            await asyncio.sleep(_SHOW_S)

    def _gauges(self, metrics: Metrics) -> list[tuple[Gauge, Callable[[], float]]]:
        service, viewers = self._service, metrics.viewers
        return [
            (metrics.ready, lambda: self.why_unready is None),
            (metrics.warm_up_seconds, lambda: service.worker.warm_up_s or 0.0),
            (metrics.heartbeat_age_seconds, lambda: service.worker.silent_s),
            (metrics.sessions, lambda: service.num_open),
            (viewers.labels("waiting"), lambda: self.waiting),
            (viewers.labels("active"), lambda: 0 if self._is_leaving else service.num_open),
            (viewers.labels("draining"), lambda: service.num_open if self._is_leaving else 0),
        ]

    @property
    def _is_leaving(self) -> bool:
        return self._service.is_draining or self._service.is_stopping
