"""Draws one frame of a scene, and says whose each pixel is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, corners
from sam2_rt.data.scenes.degrade import degrade
from sam2_rt.data.scenes.photos import IGNORED_ID
from sam2_rt.data.scenes.scene import FIRST_LAYER, Backdrop, Layer, Scene

Owners = NDArray[np.uint16]
"""[S, S], see FIRST_LAYER"""


def draw_frame(scene: Scene, index: int) -> tuple[NDArray[np.uint8], Owners]:
    """The frame [S, S, 3] and its owners, exact: the top-most layer with an alpha of a half."""
    frame, owners = _draw_backdrop(scene.backdrop, scene.size, index)
    for number, layer in enumerate(scene.layers):
        _draw_layer(frame, owners, layer, index, FIRST_LAYER + number)
    return degrade(frame, scene.flaws, index), owners


def mask_of(owners: Owners, thing: frozenset[int]) -> NDArray[np.bool_]:
    """Where a thing is seen: [S, S]."""
    mask: NDArray[np.bool_] = np.zeros(owners.shape, np.bool_)
    for owner in thing:
        mask |= owners == owner
    return mask


def _draw_backdrop(backdrop: Backdrop, size: int, index: int) -> tuple[NDArray[np.uint8], Owners]:
    matrix = backdrop.matrices[index][:2]
    frame = cv2.warpAffine(
        backdrop.rgb,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if backdrop.ids is None:
        return frame, np.zeros((size, size), np.uint16)
    # Beyond its border the picture is mirrored, objects and all, but they are not ours to track.
    ids = cv2.warpAffine(
        backdrop.ids,
        matrix,
        (size, size),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=IGNORED_ID,
    )
    return frame, ids.astype(np.uint16)


def _draw_layer(
    frame: NDArray[np.uint8], owners: Owners, layer: Layer, index: int, owner: int
) -> None:
    matrix = layer.matrices[index]
    box = _box_in_frame(matrix, layer.sprite.size, frame.shape[0])
    if box is None:
        return
    x0, y0, x1, y1 = box
    local = matrix[:2].copy()
    local[:, 2] -= (x0, y0)
    rgba = cv2.warpAffine(layer.sprite.rgba, local, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    alpha = np.ascontiguousarray(rgba[..., 3])
    below = frame[y0:y1, x0:x1]
    clear = cv2.cvtColor(255 - alpha, cv2.COLOR_GRAY2RGB)
    rest = cv2.multiply(np.ascontiguousarray(below), clear, scale=1 / 255)
    below[:] = cv2.add(rest, cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB))
    owners[y0:y1, x0:x1][alpha > 127] = owner


def _box_in_frame(
    matrix: Matrices, sprite_size: tuple[int, int], size: int
) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of the pixels that a sprite may touch; None if it is out of the frame."""
    points = matrix[:2] @ corners(*sprite_size)
    x0, y0 = np.floor(points.min(axis=1)).astype(int)
    x1, y1 = np.ceil(points.max(axis=1)).astype(int) + 1
    x0, y0, x1, y1 = max(int(x0), 0), max(int(y0), 0), min(int(x1), size), min(int(y1), size)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
