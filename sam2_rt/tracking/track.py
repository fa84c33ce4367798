"""Track: one object through the stream, with its memory and its presence."""

from dataclasses import dataclass, field

from torch import Tensor

from sam2_rt.tracking.kept_frame import Seen
from sam2_rt.tracking.memory_bank import MemoryBank
from sam2_rt.tracking.track_state import Presence, TrackState
from sam2_rt.tracking.words import Words


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


@dataclass(slots=True, eq=False)
class Track:
    """A lasting id, a bounded memory, and whether the object is there."""

    track_id: int
    bank: MemoryBank
    presence: Presence = field(default_factory=Presence)
    """Of the last frame in which the track was predicted."""
    words: Words = field(default_factory=Words)

    def predict(self, index: int, seen: Seen) -> Prediction:
        """What was seen of it in a frame, with what it has become."""
        return Prediction(
            self.track_id,
            index,
            self.presence.state,
            seen.decoded.mask_logits,
            seen.iou,
            seen.object_score,
            seen.decoded.object_pointer,
        )
