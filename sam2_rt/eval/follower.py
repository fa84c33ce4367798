"""Follower: whatever follows objects through a video and is to be scored; and SAM 2 as one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.mask import suppress_overlap, to_frame
from sam2_rt.tracking.prompt import Prompt
from sam2_rt.tracking.track_state import PresenceLimits, TrackState
from sam2_rt.tracking.tracker import Tracker, TrackerConfig

Picture = NDArray[np.uint8]
Masks = NDArray[np.bool_]

FOREVER: Final = 2**31
"""Frames after which a hidden track is given up: a benchmark's clip is not left early."""

AS_PUBLISHED: Final = TrackerConfig(
    presence=PresenceLimits(0.0, 0.0, lost_after_frames=FOREVER, drop_after_frames=FOREVER)
)
"""The occlusion score decides alone, without hysteresis, as in the published evaluation."""

AS_SERVED: Final = TrackerConfig(
    presence=PresenceLimits(lost_after_frames=FOREVER, drop_after_frames=FOREVER)
)
"""What a viewer sees: an object's mask comes and goes by the service's two thresholds."""


class Follower(Protocol):
    """Follows K objects through one video; object k is told of by prompts of track_id k + 1."""

    def step(self, rgb: Picture, prompts: Sequence[Prompt]) -> Masks:
        """Goes on to the next frame [H, W, 3] and returns its masks [K, H, W].

        Objects that nothing was said of yet have empty masks.
        """

    def correct(self, prompts: Sequence[Prompt]) -> Masks:
        """Says more about the newest frame and returns its masks [K, H, W] anew."""


Begin = Callable[[int], Follower]
"""Makes a follower of so many objects; one for each video."""


class ModelFollower:
    """SAM 2 as a follower: one Tracker, all objects as its tracks."""

    def __init__(
        self,
        model: SAM2,
        num_objects: int,
        config: TrackerConfig = AS_PUBLISHED,
        *,
        may_overlap: bool = False,
    ) -> None:
        """Where masks may not overlap, each pixel belongs to the object with the largest logit."""
        self._tracker = Tracker(model, replace(config, max_tracks=num_objects))
        self._num_objects = num_objects
        self._may_overlap = may_overlap
        self._size = (0, 0)  # of the newest frame: height and width
        self._logits: dict[int, Tensor] = {}  # track_id -> [4g, 4g], of the newest frame

    def step(self, rgb: Picture, prompts: Sequence[Prompt]) -> Masks:
        """One step of the tracker; a track that is not visible has an empty mask."""
        self._size = (rgb.shape[0], rgb.shape[1])
        found = self._tracker.step(Frame(self._tracker.num_frames, (rgb,)), prompts)
        self._logits = {p.track_id: p.mask_logits for p in found if p.state is TrackState.VISIBLE}
        return self._masks()

    def correct(self, prompts: Sequence[Prompt]) -> Masks:
        """The prompts of one object add up within a frame."""
        with torch.inference_mode():
            answers = self._tracker.apply(prompts)
        self._logits |= {track_id: seen.decoded.mask_logits for track_id, seen in answers.items()}
        return self._masks()

    @torch.inference_mode()
    def _masks(self) -> Masks:
        return place(self._logits, self._num_objects, self._size, may_overlap=self._may_overlap)


def place(
    logits: Mapping[int, Tensor], num_objects: int, size: tuple[int, int], *, may_overlap: bool
) -> Masks:
    """Logits by track_id, at the model's size -> masks [K, H, W] of the frame's size"""
    masks = np.zeros((num_objects, *size), np.bool_)
    if logits:
        whole = to_frame(torch.stack(list(logits.values())).float(), *size)
        kept = whole if may_overlap else suppress_overlap(whole)
        masks[[track_id - 1 for track_id in logits]] = (kept > 0).cpu().numpy()
    return masks
