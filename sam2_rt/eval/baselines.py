"""Followers that have learned nothing: what a model has to beat."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.eval.follower import Masks, Picture
from sam2_rt.tracking.prompt import Prompt

IS_OBJECT_ABOVE = 0.5
"""Of a mask that was warped, whose pixels lie between 0 and 1."""


class CopyFollower:
    """Leaves each mask where it was first seen."""

    def __init__(self, num_objects: int) -> None:
        self._num_objects = num_objects
        self._masks: Masks | None = None

    def step(self, rgb: Picture, prompts: Sequence[Prompt]) -> Masks:
        """Takes masks alone as prompts. Raises ValueError for others."""
        if self._masks is None:
            self._masks = np.zeros((self._num_objects, *rgb.shape[:2]), np.bool_)
        return self.correct(prompts)

    def correct(self, prompts: Sequence[Prompt]) -> Masks:
        """A mask that is given replaces the one before."""
        assert self._masks is not None, "correct() comes after step()"
        self._masks = _adopted(self._masks, prompts)
        return self._masks


class FlowFollower:
    """Warps each mask from frame to frame by dense optical flow (DIS, medium preset)."""

    def __init__(self, num_objects: int) -> None:
        self._num_objects = num_objects
        self._masks: Masks | None = None
        self._grey: NDArray[np.uint8] | None = None  # the last frame
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def step(self, rgb: Picture, prompts: Sequence[Prompt]) -> Masks:
        """Takes masks alone as prompts. Raises ValueError for others."""
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._masks is None or self._grey is None:
            self._masks = np.zeros((self._num_objects, *grey.shape), np.bool_)
        elif self._masks.any():
            self._masks = _warp(self._masks, self._flow.calc(grey, self._grey, np.empty(0)))
        self._grey = grey
        return self.correct(prompts)

    def correct(self, prompts: Sequence[Prompt]) -> Masks:
        """A mask that is given replaces the one before."""
        assert self._masks is not None, "correct() comes after step()"
        self._masks = _adopted(self._masks, prompts)
        return self._masks


def _adopted(masks: Masks, prompts: Sequence[Prompt]) -> Masks:
    """Masks [K, H, W] with those of the prompts in their places."""
    adopted = masks.copy()
    for prompt in prompts:
        if prompt.mask is None:
            raise ValueError("a baseline begins with masks: clicks and boxes say too little to it")
        adopted[prompt.track_id - 1] = prompt.mask
    return adopted


def _warp(masks: Masks, flow: NDArray[Any]) -> Masks:
    """Fetches each pixel from where flow [H, W, 2] says that it was; the surest object gets it."""
    height, width = flow.shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    x, y = (columns + flow[..., 0]).astype(np.float32), (rows + flow[..., 1]).astype(np.float32)
    surest = np.full((height, width), IS_OBJECT_ABOVE, np.float32)
    owner = np.full((height, width), -1)
    for row, mask in enumerate(masks):
        share = cv2.remap(mask.astype(np.float32), x, y, cv2.INTER_LINEAR)
        owner[share > surest] = row
        surest = np.maximum(surest, share)
    warped: Masks = owner == np.arange(len(masks))[:, None, None]
    return warped
