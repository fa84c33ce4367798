"""FrameTraces: picks some of a session's frames and follows them, for who collects traces."""

import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from streamer.session.journey import Span
from streamer.session.viewer import Arrival

_MAX_OPEN: Final = 4
"""Frames that are followed at once; the oldest ends for another."""


@dataclass(slots=True, eq=False)
class FrameTrace:
    """One frame's way; complete when it was handed on."""

    session_id: str
    in_rtp: int
    width: int
    height: int
    num_tracks: int
    spans: list[Span] = field(default_factory=list)
    """In the order of their ends."""


class Tracer(Protocol):
    """Where frames that were followed go."""

    @property
    def sample(self) -> float:
        """Which part of all frames is followed, 0..1."""

    def emit(self, trace: FrameTrace) -> None:
        """Takes one that is complete. Must not wait."""


class FrameTraces:
    """Of one session. Each frame is handed on a second after its step, when all of it has left."""

    def __init__(
        self, session_id: str, tracer: Tracer, draw: Callable[[], float] = random.random
    ) -> None:
        self._session_id = session_id
        self._tracer = tracer
        self._draw = draw
        """0..1, below 1"""
        self._open: OrderedDict[int, FrameTrace] = OrderedDict()
        """By pts."""
        self._is_ripe: set[int] = set()
        """Of them: those that were there when flush() was called last."""

    def begin(self, arrival: Arrival, num_tracks: int) -> None:
        """A frame was stepped, and may be picked."""
        if self._draw() >= self._tracer.sample:
            return
        frame = arrival.frame
        self._open[frame.pts] = FrameTrace(
            self._session_id, arrival.in_rtp, frame.width, frame.height, num_tracks
        )
        if len(self._open) > _MAX_OPEN:
            self._tracer.emit(self._open.popitem(last=False)[1])

    def add(self, pts: int, span: Span) -> None:
        """A frame has a stage behind it."""
        trace = self._open.get(pts)
        if trace is not None:
            trace.spans.append(span)

    def flush(self) -> None:
        """Hands on what was there at the last call already; called each second."""
        for pts in sorted(self._is_ripe & self._open.keys()):
            self._tracer.emit(self._open.pop(pts))
        self._is_ripe = set(self._open)

    def close(self) -> None:
        """Hands all of them on: the session has ended."""
        while self._open:
            self._tracer.emit(self._open.popitem(last=False)[1])
