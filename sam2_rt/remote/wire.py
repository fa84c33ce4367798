"""What an engine and its callers say to each other, pickled: both run the same code."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from sam2_rt.engine import Adopted, EngineInfo, StepRequest, StepResult
from sam2_rt.remote.shared_stream import FrameSlip, Layout, MaskSlip
from sam2_rt.tracking.prompt import Prompt

KEY_BYTES = 32
"""Of the secret that a caller has to know."""


class Steps(Protocol):
    """What a caller asks of an engine, wherever it is."""

    @property
    def info(self) -> EngineInfo:
        """Of the model that was loaded."""

    def open(self) -> int:
        """Begins a stream and returns its id."""

    def close(self, stream_id: int) -> None:
        """Forgets a stream, parked or not."""

    def park(self, stream_id: int) -> tuple[int, ...]:
        """Keeps a stream's tracks, whose ids it returns, while it rests; without any, closes it."""

    def adopt(self, stream_id: int) -> Adopted | None:
        """Lets a parked stream go on; None when it had to leave."""

    def step(self, requests: Sequence[StepRequest]) -> Sequence[StepResult | Exception]:
        """One answer for each request, in order."""


class Open(NamedTuple):
    """Begins a stream; the descriptor of its memory follows. Answered by its id."""

    layout: Layout


class Call(NamedTuple):
    """Answered by what the engine's method returns."""

    method: Literal["close", "park", "adopt"]
    stream_id: int


class RequestSlip(NamedTuple):
    """A StepRequest whose frame lies in the stream's memory."""

    stream_id: int
    frame: FrameSlip
    prompts: tuple[Prompt, ...]
    removals: tuple[int, ...]


class Step(NamedTuple):
    """Answered by as many ResultSlips or exceptions."""

    requests: tuple[RequestSlip, ...]


class ResultSlip(NamedTuple):
    """A StepResult whose masks lie in the stream's memory."""

    result: StepResult
    masks: tuple[MaskSlip, ...]


Message = Open | Call | Step
