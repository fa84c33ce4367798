"""Batch: samples as tensors, one row an object of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam2_rt.data.sample import Sample
from sam2_rt.model.config import PATCH_STRIDE, PIXEL_MEAN, PIXEL_STD

MIN_VISIBLE = 0.25
"""Of a stride-4 cell: an object that covers less of every cell is not to be seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N clips of T frames with R objects in all."""

    pixels: Tensor
    """[N, T, 3, S, S], normalised"""
    clip: Tensor
    """[R]: which clip a row's object is in"""
    masks: Tensor
    """[R, T, S, S] of 0.0 and 1.0"""
    coverage: Tensor
    """[R, T, S/4, S/4]: share of each stride-4 cell that the object covers"""
    known: Tensor
    """[R, T, S/4, S/4] of 0.0 and 1.0: where the truth is known"""

    @property
    def num_frames(self) -> int:
        """T"""
        return self.pixels.shape[1]

    @property
    def is_visible(self) -> Tensor:
        """[R, T] bool"""
        return self.coverage.flatten(2).amax(dim=2) >= MIN_VISIBLE


def collate(samples: Sequence[Sample], device: torch.device, max_rows: int) -> Batch:
    """Samples of one shape; at most max_rows objects of each, the first ones."""
    frames = torch.from_numpy(np.stack([s.frames for s in samples])).to(device)
    mean, std = (torch.tensor(v, device=device) * 255 for v in (PIXEL_MEAN, PIXEL_STD))
    pixels = ((frames.float() - mean) / std).permute(0, 1, 4, 2, 3)
    masklets = [s.masklets[:max_rows] for s in samples]
    masks = torch.from_numpy(np.concatenate(masklets)).to(device).float()
    counts = torch.tensor([len(m) for m in masklets], device=device)
    clip = torch.repeat_interleave(torch.arange(len(samples), device=device), counts)
    return Batch(pixels, clip, masks, F.avg_pool2d(masks, PATCH_STRIDE), _known(samples, clip))


def _known(samples: Sequence[Sample], clip: Tensor) -> Tensor:
    """A cell is known when all of it is."""
    nothing = np.zeros(samples[0].frames.shape[:3], np.bool_)
    ignored = np.stack([nothing if s.ignored is None else s.ignored for s in samples])
    cells = F.max_pool2d(torch.from_numpy(ignored).to(clip.device).float(), PATCH_STRIDE)
    return (1 - cells)[clip]
