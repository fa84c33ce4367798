"""Answers: what a tick found, as the plain values that callers get; one wait for the device."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sam2_rt.steps import StepResult, TrackMask
from sam2_rt.tick import Turn, each, together
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


class _Batch(NamedTuple):
    num_frames: int
    encode_s: float


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
    arrived = together(_receive, each(_draw, begun, predictions))
    num_frames = sum(isinstance(one, Begun) for one in begun)
    batch = _Batch(num_frames, encode_s)
    return each(_result, begun, predictions, arrived, [batch] * len(begun))


def _receive(drawn: Sequence[_Drawn | None]) -> list[_Drawn | None]:
    """The same on the host. What fails late on a device is raised here, where it is waited for."""
    here = iter(receive([tensor for one in drawn if one is not None for tensor in one]))
    return [None if one is None else _Drawn(next(here), next(here)) for one in drawn]


def _draw(begun: Begun, predictions: Sequence[Prediction]) -> _Drawn | None:
    """On the device; None without tracks."""
    if not predictions:
        return None
    frame: Frame = begun.turn.frame
    logits = torch.stack([prediction.mask_logits for prediction in predictions])
    return _Drawn(to_frame(logits, frame.height, frame.width) > 0, logits.float())


def _result(
    begun: Begun, predictions: Sequence[Prediction], drawn: _Drawn | None, batch: _Batch
) -> StepResult:
    tracker, frame = begun.turn.tracker, begun.turn.frame
    return StepResult(
        index=tracker.num_frames - 1,
        pts=frame.pts,
        masks=() if drawn is None else _masks(predictions, drawn),
        events=tuple(tracker.take_events()),
        removals=begun.removals,
        prompts=tuple(tracker.answers),
        encoder_calls=tracker.encoder_calls,
        batch_frames=batch.num_frames,
        encode_s=batch.encode_s,
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
