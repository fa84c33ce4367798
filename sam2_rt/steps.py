"""Steps: what serves streams, in this process or in another one; what it is asked and answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Applied, Prompt, Refused, Undo
from sam2_rt.tracking.track_state import TrackEvent, TrackState


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine turned out to be."""

    model: str
    image_size: int
    device: str
    dtype: str
    is_trained: bool
    """False: the weights are random, and so are the masks."""
    max_tracks: int
    """Of each stream."""


@dataclass(frozen=True, slots=True)
class StepRequest:
    """What a stream asks of one step: its newest frame and what its viewer said since the last."""

    stream_id: int
    """From Engine.open()."""
    frame: Frame
    prompts: tuple[Prompt | Undo, ...] = ()
    """In the order they were said."""
    removals: tuple[int, ...] = ()
    """Track ids that the viewer gave up; applied before the prompts."""
    is_again: bool = False
    """Whether this is the frame of the stream's last step once more, which is not encoded anew."""


@dataclass(frozen=True, slots=True)
class TrackMask:
    """One track in one frame."""

    track_id: int
    state: TrackState
    object_score: float
    """Logit of the occlusion head; > 0 means visible."""
    iou: float
    """Predicted by the model, 0..1."""
    mask: NDArray[np.bool_]
    """[H, W] at the size of the frame; all False while the object is hidden."""
    logits: NDArray[np.float32]
    """[h, w] as decoded, the whole frame squashed; > 0 is the object. Hidden: all suppressed."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step made of one frame."""

    index: int
    """0, 1, 2... as processed."""
    pts: int
    masks: tuple[TrackMask, ...]
    """In order of track_id."""
    events: tuple[TrackEvent, ...]
    removals: tuple[Applied | Refused, ...]
    """One for each removal asked for, in order."""
    prompts: tuple[Applied | Refused, ...]
    """One for each prompt asked for, in order."""
    encoder_calls: int
    """Of this stream since it was opened; a frame of which nobody asked anything has none."""
    batch_frames: int = 1
    """Of all streams, that were stepped as one batch."""
    encode_s: float = 0.0
    """The image encoder's part of the step, for all streams of the batch; 0: none needed it."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A parked stream that goes on: its tracks, in order, and what it has cost so far."""

    track_ids: tuple[int, ...]
    encoder_calls: int


class UnknownStream(KeyError):
    """A request for a stream that was never opened or is closed."""


class Steps(Protocol):
    """What a caller asks of an engine; all calls come from one thread.

    Each may raise EngineLost where the engine is in a process of its own.
    """

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
