"""Arithmetic: how far masks by bfloat16 agree with those by float32, from the same prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sam2_rt.eval.follower import Follower, Masks, Picture
from sam2_rt.eval.metrics import region_similarity
from sam2_rt.tracking.prompt import Prompt


@dataclass(slots=True)
class Agreement:
    """IoU of two followers' masks, one for each object and frame in which either has a mask."""

    ious: list[float] = field(default_factory=list)

    def watch(self, masks: Masks, others: Masks) -> None:
        """Takes in one more frame [K, H, W]."""
        for mask, other in zip(masks, others, strict=True):
            if mask.any() or other.any():
                self.ious.append(region_similarity(mask, other))

    @property
    def mean(self) -> float | None:
        """Over objects and frames; None if no frame had a mask."""
        return float(np.mean(self.ious)) if self.ious else None

    @property
    def median(self) -> float | None:
        """Likewise: a track that one of the two loses does not outweigh the others."""
        return float(np.median(self.ious)) if self.ious else None


class Twins:
    """Two followers told the same; the first one's masks are returned."""

    def __init__(self, follower: Follower, other: Follower, agreement: Agreement) -> None:
        self._follower, self._other, self._agreement = follower, other, agreement

    def step(self, rgb: Picture, prompts: Sequence[Prompt]) -> Masks:
        """Both go on; frames that were prompted are not compared, as a given mask is its own."""
        masks, others = self._follower.step(rgb, prompts), self._other.step(rgb, prompts)
        if not prompts:
            self._agreement.watch(masks, others)
        return masks

    def correct(self, prompts: Sequence[Prompt]) -> Masks:
        """Both are told."""
        self._other.correct(prompts)
        return self._follower.correct(prompts)
