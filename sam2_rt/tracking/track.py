"""Track: one object through the stream, with its memory and its presence."""

from dataclasses import dataclass, field

from torch import Tensor

from sam2_rt.tracking.memory_bank import MemoryBank
from sam2_rt.tracking.track_state import Presence, TrackState


@dataclass(slots=True, eq=False)
class Track:
    """A lasting id, a bounded memory, and whether the object is there."""

    track_id: int
    bank: MemoryBank
    presence: Presence = field(default_factory=Presence)
    """Of the last frame in which the track was predicted."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What the model says of one track in one frame."""

    track_id: int
    index: int
    """Frame: 0, 1, 2... as processed."""
    state: TrackState
    mask_logits: Tensor
    """[4g, 4g] float32, > 0 is the object"""
    iou: float
    """Predicted, 0..1"""
    object_score: float
    """Logit; > 0 is visible"""
    object_pointer: Tensor
    """[dim]"""
