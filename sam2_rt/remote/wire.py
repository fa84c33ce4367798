"""What an engine and its callers say to each other, pickled: both run the same code."""

from typing import Literal, NamedTuple

from sam2_rt.remote.shared_stream import FrameSlip, Layout, MaskSlip
from sam2_rt.steps import StepResult
from sam2_rt.tracking.prompt import Prompt, Undo

KEY_BYTES = 32
"""Of the secret that a caller has to know."""


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
    prompts: tuple[Prompt | Undo, ...]
    removals: tuple[int, ...]
    is_again: bool


class Step(NamedTuple):
    """Answered by as many ResultSlips or exceptions."""

    requests: tuple[RequestSlip, ...]


class ResultSlip(NamedTuple):
    """A StepResult whose masks lie in the stream's memory."""

    result: StepResult
    masks: tuple[MaskSlip, ...]


Message = Open | Call | Step
