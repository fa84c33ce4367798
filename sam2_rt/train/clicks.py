"""Clicks and boxes as a user would give them, drawn at random from the truth: tensors in and out.

The annotator of evaluation clicks in the middle of things; training clicks anywhere, as the
paper's does (appendix on training).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_rt.model.config import PATCH_STRIDE
from sam2_rt.model.prompt_encoder import BOTTOM_RIGHT, NEGATIVE, POSITIVE, TOP_LEFT
from sam2_rt.model.sam2 import PromptTensors

BOX_NOISE = 0.08
"""Standard deviation of a box's corners, of the box's sides."""
MIDDLE = 5
"""Side, in cells, of the neighbourhood that is all object where the middle is."""


def first_click(coverage: Tensor) -> PromptTensors:
    """coverage [R, s, s] -> one positive click a row; half of them keep away from the outline."""
    inside = (coverage >= 0.5).float()
    middle = -F.max_pool2d(-inside[:, None], MIDDLE, stride=1, padding=MIDDLE // 2)[:, 0]
    keeps_away = (torch.rand(len(coverage), 1, 1, device=coverage.device) < 0.5).float()
    # Larger weights win wherever there are any: middle, then inside, then any cell of the object.
    weights = coverage + 10 * inside + 100 * middle * keeps_away
    labels = torch.full((len(coverage), 1), POSITIVE, device=coverage.device)
    return PromptTensors(_places(weights), labels, None)


def jittered_box(coverage: Tensor) -> PromptTensors:
    """coverage [R, s, s] -> the two corners of a somewhat careless box a row"""
    side = coverage.shape[-1]
    corners = []
    for axis in (1, 2):  # over rows: columns that are covered, and the other way round
        covered = coverage.amax(dim=axis) >= 0.25
        covered = torch.where(covered.any(1, keepdim=True), covered, coverage.amax(dim=axis) > 0)
        first = covered.float().argmax(dim=1)
        last = side - covered.flip(1).float().argmax(dim=1)
        corners.append(torch.stack([first, last], dim=1).float())
    box = torch.stack(corners, dim=2) * PATCH_STRIDE  # [R, corner, (x, y)]
    extent = (box[:, 1:] - box[:, :1]).clamp(min=PATCH_STRIDE)
    box = box + BOX_NOISE * extent * torch.randn_like(box).clamp(-2, 2)
    labels = torch.tensor([[TOP_LEFT, BOTTOM_RIGHT]], device=box.device).expand(len(box), 2)
    return PromptTensors(box.clamp(0, side * PATCH_STRIDE), labels, None)


def correct(
    prompt: PromptTensors | None, coverage: Tensor, known: Tensor, mask_logits: Tensor
) -> PromptTensors:
    """Adds a click in the error of mask_logits [R, s, s], which is fed back, to each row's prompt.

    A row without an error is clicked inside once more, as a user who confirms; a row whose object
    is absent and found nowhere is told of one place where it is not. Nothing is said of places that
    are not known [R, s, s]: it might be wrong.
    """
    truth, found = coverage >= 0.5, mask_logits > 0
    # An error anywhere comes before the object, and that before the rest of the picture.
    weights = torch.where(truth != found, 10.0, truth + 0.01) * known
    points = _places(weights)
    cell = (points[:, 0] / PATCH_STRIDE).long().clamp(max=truth.shape[-1] - 1)
    row = torch.arange(len(truth), device=truth.device)
    is_inside = truth[row, cell[:, 1], cell[:, 0]]
    labels = torch.where(is_inside, POSITIVE, NEGATIVE)[:, None]
    if prompt is not None:
        points = torch.cat([prompt.points, points], dim=1)
        labels = torch.cat([prompt.labels, labels], dim=1)
    return PromptTensors(points, labels, mask_logits.detach().clamp(-32, 32)[:, None])


def _places(weights: Tensor) -> Tensor:
    """weights [R, s, s] -> [R, 1, 2] (x, y) in pixels, at random among cells of the top weight"""
    chance = torch.rand_like(weights) * (weights > 0) + weights.floor()
    index = chance.flatten(1).argmax(dim=1)
    cell = torch.stack([index % weights.shape[-1], index // weights.shape[-1]], dim=-1)
    return (cell + torch.rand(cell.shape, device=cell.device))[:, None] * PATCH_STRIDE
