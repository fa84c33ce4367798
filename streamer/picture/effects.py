"""What is done to a picture beside and behind its objects: pure functions of planes and alphas.

Planes are those of a Frame: Y [H, W], U and V [ceil(H/2), ceil(W/2)], uint8. An alpha is uint8
too, 255 on the object, at the size of the plane that it is used with. Pillow's reduce() makes small
pictures and its resize() enlarges them; the rest is numpy. On one core at 640x360 in milliseconds,
OpenCV's in brackets: blending a plane 0.11 (0.20), a fourth of its size 0.05 (0.07), back 0.42
(0.06), a box filter there 0.11 (0.02): OpenCV would save about a millisecond a frame for 100 MB.
"""

from functools import cache
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Plane = NDArray[np.uint8]
Planes = tuple[Plane, ...]
Floats = NDArray[np.floating[Any]]
"""float32, as numpy's own types cannot tell of products."""
D = TypeVar("D", bound=np.generic)

BLACK: Final = (16, 128, 128)
"""Y, U, V."""
_BLUR_CELLS: Final = 160
"""Of the longer side of the picture that is blurred: no blur here is finer."""


def to_yuv(red: float, green: float, blue: float) -> tuple[int, int, int]:
    """RGB 0..255 -> Y, U, V bytes: ITU-R BT.601, limited range."""
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 / 255 * luma),
        round(128 + 224 / 255 * 0.564 * (blue - luma)),
        round(128 + 224 / 255 * 0.713 * (red - luma)),
    )


def chroma_alpha(alpha: Plane) -> Plane:
    """Alpha [H, W] -> [ceil(H/2), ceil(W/2)], the mean of the pixels that share a chroma sample."""
    return np.asarray(Image.fromarray(alpha).reduce(2))


def blend(over: Plane, under: Plane | int, alpha: Plane) -> Plane:
    """Plane `over` where alpha is 255, `under` where it is 0; exact at both ends."""
    wide = alpha.astype(np.uint16)
    mixed = over * wide
    np.subtract(255, wide, out=wide)
    wide *= np.uint16(under) if isinstance(under, int) else under
    mixed += wide
    mixed += 128
    mixed += mixed >> 8  # with the next line a division by 255, rounded
    mixed >>= 8
    return mixed.astype(np.uint8)


def mix(over: Planes, under: Planes | tuple[int, int, int], alpha: Plane) -> Planes:
    """blend() of all three planes; alpha [H, W]."""
    half = chroma_alpha(alpha)
    y, u, v = under
    first, second, third = over
    return blend(first, y, alpha), blend(second, u, half), blend(third, v, half)


def blur_background(planes: Planes, alpha: Plane, strength: float) -> Planes:
    """All planes blurred as if the object was not there; its place takes on what surrounds it.

    So nothing of the object glows around it. The radius grows with strength 0..1.
    """
    factor = _even_factor(planes[0])
    covered = _shrunk(alpha, factor) / np.float32(255)
    weight = np.clip(
        1 - 2 * covered, 1e-3, 1
    )  # a cell half covered already has the object's colour
    return _blurred(planes, weight, factor, _radius(strength, 2, 8))


def blur_all(planes: Planes, strength: float) -> Planes:
    """All planes blurred until a face is no face: by 1/40 of the longer side to 1/11."""
    factor = _even_factor(planes[0])
    weight = np.ones_like(_shrunk(planes[0], factor))
    return _blurred(planes, weight, factor, _radius(strength, 4, 14))


def pixelate(planes: Planes, strength: float) -> Planes:
    """All planes in blocks of one colour, 48 to 12 along the longer side."""
    longest = max(planes[0].shape)
    block = max(2, 2 * round(longest / (48 - 36 * strength) / 2))
    sizes = (block, block // 2, block // 2)
    return tuple(_blocks(plane, size) for plane, size in zip(planes, sizes, strict=True))


def dim(planes: Planes, strength: float) -> Planes:
    """All planes darker and greyer: at 0 two thirds of the light and half the colour left."""
    luma, chroma = _dim_tables(round(100 * strength))
    return (luma[planes[0]], chroma[planes[1]], chroma[planes[2]])


def beside(left: Planes, alpha: Plane) -> Planes:
    """Three planes of twice the width: the picture, then its alpha in grey (16 is 0, 235 is 255).

    An odd width loses its last column, so that the halves share no chroma.
    """
    width = alpha.shape[1] & ~1
    shade = _grey_table()[alpha[:, :width]]
    neutral = np.full_like(left[1][:, : width // 2], 128)
    halves = ((left[0][:, :width], shade), *((c[:, : width // 2], neutral) for c in left[1:]))
    return tuple(np.concatenate(pair, axis=1) for pair in halves)


def grey(alpha: Plane) -> Planes:
    """Alpha [H, W] -> three planes without colour: luma 16 is 0, 235 is 255."""
    neutral = np.full(((alpha.shape[0] + 1) // 2, (alpha.shape[1] + 1) // 2), 128, np.uint8)
    return (_grey_table()[alpha], neutral, neutral)


def spread(alpha: Plane) -> Plane:
    """255 wherever an alpha is not 0 and eight pixels around: [H, W] -> [H, W].

    So the colours at a soft edge stay true, and nothing is left of what lies further off.
    """
    cells = Image.fromarray(alpha).point([0] * 4 + [255] * 252).reduce(4).point([0] + [255] * 255)
    grown = cells.filter(ImageFilter.MaxFilter(7))
    return enlarge(np.asarray(grown), 4, *alpha.shape)


def box_filter(stack: Floats, radius: int) -> Floats:
    """Means over squares of 2 radius + 1, [..., h, w] -> the same; edges are repeated outwards."""
    around = [(0, 0)] * (stack.ndim - 2) + [(radius + 1, radius)] * 2
    sums = np.pad(stack, around, mode="edge").cumsum(axis=-2).cumsum(axis=-1)
    side = 2 * radius + 1
    total = sums[..., side:, side:] - sums[..., :-side, side:]
    total -= sums[..., side:, :-side] - sums[..., :-side, :-side]
    return total / np.float32(side * side)


def enlarge(small: NDArray[D], factor: int, height: int, width: int) -> NDArray[D]:
    """[h, w] -> [height, width], bilinear, for what reduce(factor) made of that size."""
    size = (small.shape[1] * factor, small.shape[0] * factor)
    large = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BILINEAR))
    return large[:height, :width]


def _even_factor(luma: Plane) -> int:
    """How much smaller the blurred picture is; even, as chroma has half of it."""
    return max(2, 2 * round(max(luma.shape) / _BLUR_CELLS / 2))


def _radius(strength: float, least: int, most: int) -> int:
    """In cells of the small picture."""
    return round(least + strength * (most - least))


def _shrunk(plane: Plane, factor: int) -> Floats:
    return np.asarray(Image.fromarray(plane).reduce(factor), np.float32)


def _blurred(planes: Planes, weight: Floats, factor: int, radius: int) -> Planes:
    """Weighted means around each cell; two box filters make a tent, which shows no squares."""
    factors = (factor, factor // 2, factor // 2)
    rows, columns = weight.shape
    small = [_shrunk(p, f)[:rows, :columns] for p, f in zip(planes, factors, strict=True)]
    stack = np.stack([weight, *(plane * weight for plane in small)])
    weights, *sums = box_filter(box_filter(stack, radius), radius)
    means = [np.rint(total / weights).clip(0, 255).astype(np.uint8) for total in sums]
    parts = zip(means, factors, planes, strict=True)
    return tuple(enlarge(mean, f, *plane.shape) for mean, f, plane in parts)


def _blocks(plane: Plane, size: int) -> Plane:
    means = np.asarray(Image.fromarray(plane).reduce(size))
    rows, columns = plane.shape
    return np.repeat(np.repeat(means, size, axis=0), size, axis=1)[:rows, :columns]


@cache
def _dim_tables(percent: int) -> tuple[Plane, Plane]:
    """For every byte its value in a dim picture: of luma, of chroma."""
    before = np.arange(256)
    light, colour = 0.65 - 0.5 * percent / 100, 0.5 - 0.45 * percent / 100
    luma, chroma = 16 + light * (before - 16), 128 + colour * (before - 128)
    first, second = (np.rint(t).clip(0, 255).astype(np.uint8) for t in (luma, chroma))
    return first, second


@cache
def _grey_table() -> Plane:
    """uint8 0..255 to luma of limited range."""
    return np.rint(16 + 219 / 255 * np.arange(256)).astype(np.uint8)
