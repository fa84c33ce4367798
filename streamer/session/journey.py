"""Journey: one frame's way through the service, stage by stage. Plain times, no metrics.

A frame is known by its pts, which is its RTP timestamp counted from the stream's first one.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sam2_rt.engine import StepResult
from streamer.session.viewer import Arrival

_MAX_ON_THE_WAY: Final = 16
"""Frames whose masks or picture may still have to leave; older ones are forgotten."""


class Stage(StrEnum):
    """Where a frame's time goes, in the order of its way."""

    RECEIVE = "receive"
    """From its first packet to its last, and what held it up before the decoder."""
    DECODE = "decode"
    """From there to the decoded picture, with the wait for the decoder."""
    QUEUE = "queue"
    """Until the engine was free for it."""
    ENCODE = "encode"
    """The image encoder of the model, for all frames of the batch; none where none needed it."""
    TRACK = "track"
    """The rest of the step: prompts, memory, mask decoder, masks at the size of the frame."""
    COMPOSE = "compose"
    """From the end of the step to the picture that goes back, with the wait for a painter."""
    SEND = "send"
    """From there to the last packet: the wait for the video encoder, encoding and sending."""
    MASKS = "masks"
    """From the end of the step to the mask message's leaving: beside COMPOSE and SEND."""


class Way(StrEnum):
    """By what a frame's answer leaves."""

    MASKS = "masks"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Span:
    """A stage of one frame; times by time.monotonic()."""

    stage: Stage
    begun_s: float
    ended_s: float

    @property
    def duration_s(self) -> float:
        """Never negative: the ends were measured on several threads."""
        return max(0.0, self.ended_s - self.begun_s)


@dataclass(frozen=True, slots=True)
class StepTimes:
    """When the engine was at a frame, by time.monotonic()."""

    begun_s: float
    encoded_s: float
    """The batch's frames were encoded; `begun_s` where none was."""
    ended_s: float


@dataclass(frozen=True, slots=True)
class TimedStep:
    """What a step gave, and when it was made."""

    result: StepResult
    times: StepTimes


@dataclass(slots=True, eq=False)
class Journey:
    """A frame that was stepped."""

    arrival: Arrival
    begun_s: float
    """Its first packet; where no packets are known, its decoded picture."""
    stepped_s: float
    composed_s: float | None = None


class Journeys:
    """The frames of one session that are on their way. Whoever ends a stage says so at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._on_the_way: deque[Journey] = deque(maxlen=_MAX_ON_THE_WAY)

    def step(self, arrival: Arrival, times: StepTimes) -> Iterator[Span]:
        """The engine answered; what led there. Makes the frame's masks and picture expected."""
        begun_s = arrival.at_s if arrival.packets is None else arrival.packets.first_s
        self._on_the_way.append(Journey(arrival, begun_s, times.ended_s))
        if arrival.packets is not None:
            yield Span(Stage.RECEIVE, arrival.packets.first_s, arrival.packets.complete_s)
            yield Span(Stage.DECODE, arrival.packets.complete_s, arrival.at_s)
        yield Span(Stage.QUEUE, arrival.at_s, times.begun_s)
        if times.encoded_s > times.begun_s:
            yield Span(Stage.ENCODE, times.begun_s, times.encoded_s)
        yield Span(Stage.TRACK, times.encoded_s, times.ended_s)

    def compose(self, pts: int) -> Span | None:
        """The picture was left for the video encoder now; None: the frame is too long ago."""
        journey = self.find(pts)
        if journey is None:
            return None
        journey.composed_s = self._clock()
        return Span(Stage.COMPOSE, journey.stepped_s, journey.composed_s)

    def send(self, pts: int) -> Span | None:
        """The picture's last packet left now; None: the frame is too long ago."""
        journey = self.find(pts)
        if journey is None or journey.composed_s is None:
            return None
        return Span(Stage.SEND, journey.composed_s, self._clock())

    def send_masks(self, pts: int) -> Span | None:
        """The masks left now; None: the frame is too long ago."""
        journey = self.find(pts)
        return None if journey is None else Span(Stage.MASKS, journey.stepped_s, self._clock())

    def find(self, pts: int) -> Journey | None:
        """The frame with this pts, if it is on its way."""
        return next(
            (journey for journey in self._on_the_way if journey.arrival.frame.pts == pts), None
        )
