"""The returned picture: tracks tinted and outlined in its YUV planes. Bytes only, no RGB."""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt.engine import TrackMask
from sam2_rt.tracking.frame import Frame
from streamer.picture.effects import to_yuv
from streamer.protocol import PALETTE

Plane = NDArray[np.uint8]
Mask = NDArray[np.bool_]

OPACITY: Final = 0.45
"""Of the tint; the outline is opaque."""


def overlay(frame: Frame, masks: Sequence[TrackMask]) -> Frame:
    """The frame with every track painted on it, later ones above; the frame itself stays as it is.

    Planes and masks are those of one frame: Y [H, W], U and V [ceil(H/2), ceil(W/2)], mask [H, W].
    """
    seen = [(m.track_id, _extent(m.mask), m.mask) for m in masks]
    if all(box is None for _, box, _ in seen):
        return frame
    planes = tuple(plane.copy() for plane in frame.planes)
    for track_id, box, mask in seen:
        if box is not None:
            _paint(planes, mask, box, (track_id - 1) % len(PALETTE))
    return Frame(frame.pts, planes)


@cache
def colour(row: int) -> tuple[int, int, int]:
    """A colour of the palette as (Y, U, V) bytes: ITU-R BT.601, limited range."""
    return to_yuv(*PALETTE[row])


@cache
def _tints(row: int) -> tuple[Plane, Plane, Plane]:
    """For each plane the tinted value of every byte: [256] uint8."""
    before = np.arange(256)
    y, u, v = (np.rint(before + OPACITY * (full - before)).astype(np.uint8) for full in colour(row))
    return y, u, v


def _extent(mask: Mask) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) of the True pixels, grown to even bounds; None when none is.

    Even bounds keep the halved mask of the chroma planes in step with the whole one.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return top & ~1, bottom + (bottom & 1), left & ~1, right + (right & 1)


def _paint(planes: Sequence[Plane], mask: Mask, box: tuple[int, int, int, int], row: int) -> None:
    """One track on all three planes, within box."""
    top, bottom, left, right = box
    inside = mask[top:bottom, left:right]
    edge = _outline(inside)
    for plane, full, tint in zip(planes, colour(row), _tints(row), strict=True):
        is_luma = plane is planes[0]
        where, rim = (inside, edge) if is_luma else (inside[::2, ::2], edge[::2, ::2])
        scale = 1 if is_luma else 2
        part = plane[top // scale :, left // scale :][: where.shape[0], : where.shape[1]]
        np.copyto(part, tint[part], where=where)
        part[rim] = full


def _outline(mask: Mask) -> Mask:
    """The two outermost pixels of a mask [h, w]; the bounds of the array count as outside.

    A band of two pixels holds an even row or column everywhere, so it survives the halving.
    """
    core = np.zeros_like(mask)
    core[2:-2, 2:-2] = mask[2:-2, 2:-2]
    for shift in (1, 2):
        core[:, shift:] &= mask[:, :-shift]
        core[:, :-shift] &= mask[:, shift:]
        core[shift:] &= mask[:-shift]
        core[:-shift] &= mask[shift:]
    return mask & ~core
