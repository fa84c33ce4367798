"""Matte: from the model's coarse logits to an alpha at the size of the frame, frame after frame.

The mask says which side of an edge is the object's but not, to the pixel, where the edge runs: a
cell of nano's grid is ten pixels of a 640x360 frame. The picture knows. Around each place the mean
colours of object and background are taken, weighted by the mask; where a pixel lies between the two
is evidence for one or the other, as strong as mask and colours agree there. It is added to
the mask's own logit, near edges only. A guided filter (He, Sun and Tang, 2010) was tried before and
was worse than thresholding: it asks for one line through all colours of a window. The constants are
those that did best in streamer.picture.alpha_bench; its numbers are in load/RESULTS.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageFilter

from streamer.picture.effects import Floats, Plane, Planes, box_filter, enlarge

_CELLS_EACH: Final = 2.5
"""Cells of the working picture for a cell of the mask's grid: each way, and at most _MAX_CELLS."""
_MAX_CELLS: Final = 320
_WINDOW: Final = 1.6
"""Radius of the windows in cells of the mask's grid: an edge is hardly ever further off."""
_CHROMA: Final = np.float32(4)
"""Weight of chroma, which varies less than luma and tells objects apart better."""
_EVIDENCE: Final = 6.0
"""Logits for a pixel of the object's own colour. At grids finer than _COARSE in proportion less."""
_COARSE: Final = 64
_MOST: Final = 6.0
"""Of the evidence: no colour overrules a mask that is quite sure."""
_STEEPNESS: Final = 3.0
"""Of the edge: an alpha from 0.1 to 0.9 takes 1.5 logits, about two pixels."""

_STEADY: Final = np.float32(0.7)
"""Share of the mask before where nothing changed."""
_STILL: Final = np.float32(0.03)
"""Change of a pixel, 1 being white, at which it counts as moved; a camera's noise is below."""
_JITTER: Final = np.float32(0.5)
"""Change of the mask at which it has really changed."""

_MARGIN: Final = 1.0
"""Logits by which a cover is wider than the mask."""
_HELD_FRAMES: Final = 8
"""Over which a cover fades."""


@dataclass(frozen=True, slots=True, eq=False)
class _Before:
    """What of one frame is looked at in the next."""

    picture: Floats
    """[3, h, w]"""
    sureness: Floats
    """[h, w] in 0..1, after steadying."""


class Matte:
    """The alpha of one stream's objects. Its methods are called for one frame after another."""

    def __init__(self) -> None:
        self._before: _Before | None = None
        self._held: Plane | None = None
        """The cover of the frame before, at working size."""

    def soft(self, logits: Sequence[Floats], planes: Planes) -> Plane:
        """255 on the objects, 0 beside them, between at their edges: [H, W] of Y.

        Logits are those of all tracks of the frame, [h, w] each, at least one. 6 ms at 640x360.
        """
        united = np.max(logits, axis=0)
        factor = working_factor(planes, max(united.shape))
        picture = shrunk(planes, factor)
        sureness = _sigmoid(_resized(united, picture[0].shape))
        before = self._before
        if before is not None and before.picture.shape == picture.shape:
            sureness = steadied(sureness, picture, before.sureness, before.picture)
        self._before = _Before(picture, sureness)
        return refined(sureness, picture, planes, factor, max(united.shape))

    def cover(self, logits: Sequence[Floats], planes: Planes) -> Plane:
        """255 wherever an object is or was a moment ago, with a margin: what must not be seen.

        Where the mask fails for a few frames the cover stays, and then fades.
        """
        united = np.max(logits, axis=0)
        factor = working_factor(planes, max(united.shape))
        height, width = planes[0].shape
        size = (-(-height // factor), -(-width // factor))
        sure = np.rint(255 * _sigmoid(2 * (_resized(united, size) + _MARGIN))).astype(np.uint8)
        now = np.asarray(Image.fromarray(sure).filter(ImageFilter.MaxFilter(5)))
        held = self._held
        if held is not None and held.shape == now.shape:
            now = np.maximum(now, held - np.minimum(held, np.uint8(255 // _HELD_FRAMES)))
        self._held = now
        full = np.minimum(now, 127) * np.uint8(2)  # all of it already where the mask is in doubt
        return enlarge(np.where(full >= 254, np.uint8(255), full), factor, height, width)


def working_factor(planes: Planes, num_cells: int) -> int:
    """How much smaller than the frame the working picture is; even, as chroma has half of it."""
    wanted = min(_CELLS_EACH * num_cells, _MAX_CELLS)
    return max(2, 2 * round(max(planes[0].shape) / wanted / 2))


def shrunk(planes: Planes, factor: int) -> Floats:
    """Planes -> [3, h, w] in 0..1, chroma in 0.._CHROMA."""
    y, u, v = (
        np.asarray(Image.fromarray(plane).reduce(by), np.float32)
        for plane, by in zip(planes, (factor, factor // 2, factor // 2), strict=True)
    )
    return np.stack([y, u * _CHROMA, v * _CHROMA]) / np.float32(255)


def steadied(now: Floats, picture: Floats, before: Floats, picture_before: Floats) -> Floats:
    """Sureness [h, w] drawn towards that of the frame before, where picture and mask stood still.

    Pictures [3, h, w]. What moves is taken as it is, so nothing lags behind.
    """
    moved = box_filter(np.abs(picture - picture_before).max(axis=0), 2) / _STILL
    changed = (now - before) / _JITTER
    share = _STEADY * np.exp(-moved * moved - changed * changed)
    return now + share * (before - now)


def refined(
    sureness: Floats, picture: Floats, planes: Planes, factor: int, num_cells: int
) -> Plane:
    """Sureness [h, w] and picture [3, h, w], factor smaller than planes -> alpha [H, W] of Y.

    num_cells is the longer side of the grid that the mask came on.
    """
    longest = max(sureness.shape)
    radius = max(2, round(_WINDOW * longest / num_cells))
    gain = _EVIDENCE * min(1.0, _COARSE / num_cells)
    slopes, offset = evidence(sureness, picture, radius, gain)
    slopes[1:] *= _CHROMA
    slopes /= 255
    (height, width), half = planes[0].shape, planes[1].shape
    chroma: Floats = enlarge(offset, factor // 2, *half)
    for slope, plane in zip(slopes[1:], planes[1:], strict=True):
        chroma = chroma + enlarge(slope, factor // 2, *half) * plane
    logit: Floats = enlarge(slopes[0], factor, height, width) * planes[0]
    logit += enlarge(chroma, 2, height, width)
    np.clip(logit, -_MOST, _MOST, out=logit)
    prior = np.log((sureness + 1e-3) / (1 - sureness + 1e-3))
    logit += enlarge(prior, factor, height, width)
    logit *= np.float32(_STEEPNESS)
    return np.rint(255 * _sigmoid(logit)).astype(np.uint8)


def evidence(sureness: Floats, picture: Floats, radius: int, gain: float) -> tuple[Floats, Floats]:
    """What colours say around each place, as a plane through them: slopes [3, h, w], offset [h, w].

    slopes . colour + offset is a logit, > 0 for the object's colours: gain for its mean.
    """
    rest = 1 - sureness
    sums = box_filter(
        np.concatenate([sureness[None], rest[None], picture * sureness, picture * rest]), radius
    )
    inside, outside = sums[0] + np.float32(1e-4), sums[1] + np.float32(1e-4)
    object_mean, rest_mean = sums[2:5] / inside, sums[5:8] / outside
    apart, middle = object_mean - rest_mean, (object_mean + rest_mean) / 2
    distance = (apart * apart).sum(axis=0)
    axis = apart / (distance + np.float32(1e-3))
    offset = -(middle * axis).sum(axis=0)
    place = (picture * axis).sum(axis=0) + offset  # 0.5 at the object's mean, -0.5 at the other
    side = np.where(sureness > 0.5, np.float32(0.5), np.float32(-0.5))
    weight = np.abs(2 * sureness - 1)
    misfit, total = box_filter(np.stack([(place - side) ** 2 * weight, weight]), radius)
    near_edge = np.minimum(1, 8 * inside * outside / (inside + outside) ** 2)
    contrast = distance / (distance + np.float32(1e-3))
    agreement = near_edge * contrast / (misfit / (total + np.float32(1e-4)) + np.float32(0.05))
    strength = np.float32(gain / 4) * agreement
    return axis * strength, offset * strength


def _resized(grid: Floats, size: tuple[int, int]) -> Floats:
    """[h, w] -> size (height, width), bilinear; both cover the whole frame."""
    picture = Image.fromarray(np.ascontiguousarray(grid, np.float32))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR))


def _sigmoid(logit: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(logit, -20, 20)))
