"""Answers: what a tick found, as the plain values that callers get; one wait for the device."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sam2_rt.steps import StepResult, TrackMask
from sam2_rt.tick import Turn, each
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.mask import SUPPRESSED_LOGIT, to_frame
from sam2_rt.tracking.prompt import Applied, Refused
from sam2_rt.tracking.track import Prediction
from sam2_rt.tracking.track_state import TrackState
from sam2_rt.tracking.transfer import receive


class Begun(NamedTuple):
    """A request whose removals were done."""

    turn: Turn
    removals: tuple[Applied | Refused, ...]


class _Drawn(NamedTuple):
    """The tracks of one stream in its newest frame."""

    masks: Tensor
    """[K, H, W] bool, at the size of the frame"""
    logits: Tensor
    """[K, h, w] float32, as decoded"""


def answers(
    begun: Sequence[Begun | Exception],
    predictions: Sequence[Sequence[Prediction] | Exception],
    encode_s: float,
) -> list[StepResult | Exception]:
    """One for each request, in order; exceptions stay what they are."""
    drawn = each(_draw, begun, predictions)
    flat = [tensor for one in drawn if isinstance(one, _Drawn) for tensor in one]
    here = iter(receive(flat))
    arrived = [_Drawn(next(here), next(here)) if isinstance(one, _Drawn) else one for one in drawn]
    return each(_result, begun, predictions, arrived, [encode_s] * len(begun))


def _draw(begun: Begun, predictions: Sequence[Prediction]) -> _Drawn | None:
    """On the device; None without tracks."""
    if not predictions:
        return None
    frame: Frame = begun.turn.frame
    logits = torch.stack([prediction.mask_logits for prediction in predictions])
    return _Drawn(to_frame(logits, frame.height, frame.width) > 0, logits.float())


def _result(
    begun: Begun, predictions: Sequence[Prediction], drawn: _Drawn | None, encode_s: float
) -> StepResult:
    tracker, frame = begun.turn.tracker, begun.turn.frame
    return StepResult(
        index=tracker.encoder_calls - 1,
        pts=frame.pts,
        masks=() if drawn is None else _masks(predictions, drawn),
        events=tuple(tracker.take_events()),
        removals=begun.removals,
        prompts=tuple(tracker.answers),
        encoder_calls=tracker.encoder_calls,
        encode_s=encode_s,
    )


def _masks(predictions: Sequence[Prediction], drawn: _Drawn) -> tuple[TrackMask, ...]:
    """A hidden track's mask is empty."""
    masks, logits = drawn.masks.numpy(), drawn.logits.numpy()
    for row, prediction in enumerate(predictions):
        if prediction.state is not TrackState.VISIBLE:
            masks[row].fill(False)
            logits[row].fill(SUPPRESSED_LOGIT)
    return tuple(
        TrackMask(p.track_id, p.state, p.object_score, p.iou, mask, its_logits)
        for p, mask, its_logits in zip(predictions, masks, logits, strict=True)
    )
