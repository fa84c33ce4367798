"""The losses of SAM 2: focal, dice, IoU and object score at 20 : 1 : 1 : 1, best of three masks."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_rt.model.mask_decoder import Candidates

FOCAL_WEIGHT, DICE_WEIGHT, IOU_WEIGHT, SCORE_WEIGHT = 20.0, 1.0, 1.0, 1.0
FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
CLEAR_SHARE = 0.0005
"""Of the picture: a sliver of an object that is smaller says neither that it is there nor that it
is away, as where it is scored (SEEN_AREA of eval/absence.py)."""


class Losses(NamedTuple):
    """Means over the rows of one answer; all but the score count visible objects alone."""

    focal: Tensor
    dice: Tensor
    iou: Tensor
    score: Tensor
    found_iou: Tensor
    """Not learned from: the IoU of the mask that the loss was taken of; NaN if none is visible."""

    @property
    def total(self) -> Tensor:
        """What is learned from."""
        return (
            FOCAL_WEIGHT * self.focal
            + DICE_WEIGHT * self.dice
            + IOU_WEIGHT * self.iou
            + SCORE_WEIGHT * self.score
        )


def judge(candidates: Candidates, coverage: Tensor, known: Tensor, *, is_ambiguous: bool) -> Losses:
    """The losses of an answer, against coverage and known [R, s, s].

    is_ambiguous: of masks 1..3 the one with the least loss is taught; otherwise mask 0 is. The
    predicted IoU of each mask in question is taught, by the IoU that the mask has.
    """
    picked = slice(1, None) if is_ambiguous else slice(0, 1)
    logits = candidates.mask_logits[:, picked].float()
    is_visible = (coverage.flatten(1).amax(dim=1) >= 0.25).float()
    truth, weight = coverage[:, None], known[:, None]
    focal, dice = focal_loss(logits, truth, weight), dice_loss(logits, truth, weight)
    best = (FOCAL_WEIGHT * focal + DICE_WEIGHT * dice).argmin(dim=1, keepdim=True)
    actual = mask_iou(logits, truth, weight)
    iou = (candidates.ious[:, picked].float() - actual).abs().mean(dim=1)
    score = _score_loss(candidates.object_score.float(), is_visible, coverage)

    def mean(x: Tensor) -> Tensor:
        return (x * is_visible).sum() / is_visible.sum().clamp(min=1)

    taught = (x.gather(1, best)[:, 0] for x in (focal, dice, actual))
    focal, dice, found = (mean(x) for x in taught)
    found = torch.where(is_visible.any(), found.detach(), torch.nan)
    return Losses(focal, dice, mean(iou), score, found)


def _score_loss(object_score: Tensor, is_visible: Tensor, coverage: Tensor) -> Tensor:
    """Mean over the rows in which it is clear whether the object is there; each [R], -> []"""
    share = coverage.flatten(1).mean(dim=1)
    is_clear = ((share == 0) | (share >= CLEAR_SHARE)).float()
    error = F.binary_cross_entropy_with_logits(object_score, is_visible, reduction="none")
    return (error * is_clear).sum() / is_clear.sum().clamp(min=1)


def focal_loss(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """[R, M, s, s] -> [R, M]; truth may be a share, 0..1 (Lin et al., 2017; Li et al., 2020)"""
    error = (truth - logits.sigmoid()).abs() ** FOCAL_GAMMA
    alpha = FOCAL_ALPHA * truth + (1 - FOCAL_ALPHA) * (1 - truth)
    entropy = F.binary_cross_entropy_with_logits(logits, truth.expand_as(logits), reduction="none")
    return (alpha * error * entropy * weight).mean(dim=(-1, -2))


def dice_loss(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """[R, M, s, s] -> [R, M], with one cell's grace for objects that are next to nothing"""
    found = logits.sigmoid() * weight
    truth = truth * weight
    overlap = (found * truth).sum(dim=(-1, -2))
    return 1 - (2 * overlap + 1) / (found.sum((-1, -2)) + truth.sum((-1, -2)) + 1)


@torch.no_grad()
def mask_iou(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """[R, M, s, s] -> [R, M], of what is decided: logits above 0, cells covered by half"""
    found, there = (logits > 0) & (weight > 0), (truth >= 0.5) & (weight > 0)
    union = (found | there).sum((-1, -2))
    return torch.where(union > 0, (found & there).sum((-1, -2)) / union.clamp(min=1), 1.0)
