"""Engine: one model on one device; steps trackers of many streams, answers in plain values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Prompt
from sam2_rt.tracking.track_state import EventKind, TrackEvent, TrackState

__all__ = [
    "Applied",
    "EventKind",
    "Refused",
    "StepRequest",
    "StepResult",
    "TrackEvent",
    "TrackMask",
    "TrackState",
]


@dataclass(frozen=True, slots=True)
class StepRequest:
    """What a stream asks of one step: its newest frame and what its viewer said since the last."""

    stream_id: int
    """From Engine.open()."""
    frame: Frame
    prompts: tuple[Prompt, ...] = ()
    removals: tuple[int, ...] = ()
    """Track ids that the viewer gave up; applied before the prompts."""


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


@dataclass(frozen=True, slots=True)
class Applied:
    """A prompt or removal that was carried out."""

    track_id: int
    index: int
    """The frame it was applied to: 0, 1, 2... as processed."""
    is_exact: bool
    """False: the frame the user saw had left the ring, so the newest took the prompt."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A prompt or removal that could not be carried out; the rest of the step went on."""

    track_id: int
    code: str
    """`too_many_tracks` or `unknown_track`."""
    message: str


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
    """Of this stream since it was opened; equals the frames it processed."""
