"""Draws one frame of a scene, and says whose each pixel is."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import corners, move
from sam2_rt.data.scenes.blur import smear, smear_of
from sam2_rt.data.scenes.degrade import degrade
from sam2_rt.data.scenes.photos import IGNORED_ID
from sam2_rt.data.scenes.resample import Resampler
from sam2_rt.data.scenes.scene import FIRST_LAYER, Layer, Scene

Owners = NDArray[np.uint16]
"""[S, S], see FIRST_LAYER"""

_SOLID: Final = 127
"""A pixel belongs to a layer whose alpha is above this."""


def draw_frame(scene: Scene, index: int) -> tuple[NDArray[np.uint8], Owners]:
    """The frame [S, S, 3] and its owners, exact: the top-most layer with an alpha of a half."""
    frame, owners = _draw_backdrop(scene, index)
    for number, layer in enumerate(scene.layers):
        _draw_layer(scene, layer, index, frame, owners, FIRST_LAYER + number)
    if scene.look.light is not None:
        frame = scene.look.light.shine(frame, index)
    return degrade(frame, scene.look.flaws, index), owners


def mask_of(owners: Owners, thing: frozenset[int]) -> NDArray[np.bool_]:
    """Where a thing is seen: [S, S]."""
    mask: NDArray[np.bool_] = np.zeros(owners.shape, np.bool_)
    for owner in thing:
        mask |= owners == owner
    return mask


def _draw_backdrop(scene: Scene, index: int) -> tuple[NDArray[np.uint8], Owners]:
    backdrop, size = scene.backdrop, scene.form.size
    grid = None if backdrop.bend is None else backdrop.bend.grids[index]
    sampler = Resampler(backdrop.matrices[index], (0, 0, size, size), grid)
    frame = sampler.colours(backdrop.rgb, cv2.BORDER_REFLECT_101)
    height, width = backdrop.rgb.shape[:2]
    middle = backdrop.matrices @ move((width / 2, height / 2))
    frame = smear(frame, smear_of(middle, index, scene.look.shutter))
    if backdrop.ids is None:
        return frame, np.zeros((size, size), np.uint16)
    # Beyond its border the picture is mirrored, objects and all, but they are not ours to track.
    return frame, sampler.ids(backdrop.ids, outside=IGNORED_ID).astype(np.uint16)


def _draw_layer(
    scene: Scene,
    layer: Layer,
    index: int,
    frame: NDArray[np.uint8],
    owners: Owners,
    owner: int,
) -> None:
    shadow = scene.look.shadow
    width, height = layer.sprite.size
    middle = layer.matrices @ move((width / 2, height / 2))
    by = smear_of(middle, index, scene.look.shutter)
    margin = math.ceil(math.hypot(*by)) + (shadow.reach if shadow is not None else 0)
    box = _box_in_frame(layer, index, frame.shape[0], margin)
    if box is None:
        return
    grid = None if layer.bend is None else layer.bend.grids[index]
    sampler = Resampler(layer.matrices[index], box, grid)
    rgba = smear(sampler.colours(layer.sprite.rgba, cv2.BORDER_CONSTANT), by)
    alpha = np.ascontiguousarray(rgba[..., 3])
    x0, y0, x1, y1 = box
    below = np.ascontiguousarray(frame[y0:y1, x0:x1])
    if shadow is not None:
        below = shadow.fall(below, alpha)
    clear = cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2RGB)
    rest = cv2.multiply(below, clear, scale=1 / 255)
    frame[y0:y1, x0:x1] = cv2.add(rest, cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB))
    owners[y0:y1, x0:x1][alpha > _SOLID] = owner


def _box_in_frame(
    layer: Layer, index: int, size: int, margin: int
) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of the pixels that a sprite may touch; None if it is out of the frame."""
    points = layer.matrices[index][:2] @ corners(*layer.sprite.size)
    low = np.floor(points.min(axis=1)).astype(int) - margin
    high = np.ceil(points.max(axis=1)).astype(int) + 1 + margin
    x0, y0 = np.maximum(low, 0).tolist()
    x1, y1 = np.minimum(high, size).tolist()
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
