"""From one step to its mask message: the words of the engine in those of the wire."""

import math
import time
from dataclasses import dataclass
from typing import Final

from sam2_rt.engine import StepResult, TrackState
from sam2_rt.tracking.frame import Frame
from streamer.masks import mask_text
from streamer.masks.mask_frame import MaskFrame, ObjectMask, ObjectState, encode, with_age

_STATES: Final = {
    TrackState.VISIBLE: ObjectState.VISIBLE,
    TrackState.OCCLUDED: ObjectState.OCCLUDED,
    TrackState.LOST: ObjectState.LOST,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the session knows of a frame and the engine does not; as in MaskFrame."""

    in_rtp: int
    out_rtp: int
    prompt_seq: int | None
    arrived_s: float
    """When the frame came, by time.monotonic()."""
    dropped: int


def write(frame: Frame, result: StepResult, facts: Facts, room: int) -> bytes:
    """The binary message of a frame and the step that was made of it, in at most `room` bytes."""
    written = encode(_mask_frame(result, facts), frame.height, frame.width, room)
    return with_age(written, round(1000 * (time.monotonic() - facts.arrived_s)))


def write_text(frame: Frame, result: StepResult, facts: Facts, room: int) -> str:
    """The same as text."""
    return mask_text.encode(_mask_frame(result, facts), frame.pts, room, facts.arrived_s)


def _mask_frame(result: StepResult, facts: Facts) -> MaskFrame:
    """Without its age, which is known when it is written."""
    objects = tuple(
        ObjectMask(m.track_id, _STATES[m.state], m.iou, _sigmoid(m.object_score), m.mask)
        for m in result.masks
    )
    return MaskFrame(
        index=result.index,
        in_rtp=facts.in_rtp,
        out_rtp=facts.out_rtp,
        prompt_seq=facts.prompt_seq,
        age_ms=0,
        dropped=facts.dropped,
        objects=objects,
    )


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(logit, 60.0))))
