"""From mask logits to masks at the size of the frame. Pure functions of tensors."""

import torch
import torch.nn.functional as F
from torch import Tensor

SUPPRESSED_LOGIT = -10.0


def to_frame(mask_logits: Tensor, height: int, width: int) -> Tensor:
    """Logits [B, h, w] -> logits [B, height, width], bilinear; > 0 is the object"""
    return F.interpolate(mask_logits[:, None], (height, width), mode="bilinear")[:, 0]


def suppress_overlap(mask_logits: Tensor) -> Tensor:
    """Leaves each place to the object with the largest logit: [B, H, W] -> [B, H, W]"""
    if len(mask_logits) < 2:
        return mask_logits
    rows = torch.arange(len(mask_logits), device=mask_logits.device)[:, None, None]
    is_winner = mask_logits.argmax(dim=0, keepdim=True) == rows
    return torch.where(is_winner, mask_logits, mask_logits.clamp(max=SUPPRESSED_LOGIT))
