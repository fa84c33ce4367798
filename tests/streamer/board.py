"""A checkerboard, and what each mode makes of it: where there is pattern left, and what colour."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamer.picture.output import Mode

WIDTH, HEIGHT, SQUARE = 640, 360, 10
LIGHT, DARK = 190, 70
AT = (0.5, 0.5)
"""Where the fake engine is told that its disc is, a fifth of the height in radius."""

Rgb = NDArray[np.uint8]


def board() -> Rgb:
    """[HEIGHT, WIDTH, 3], without colour."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] // SQUARE
    luma = np.where((x + y) % 2, LIGHT, DARK).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=2)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a picture."""

    pattern: float
    """How much of the board is left: 1 all of it, 0 none."""
    colour: tuple[float, ...]
    """Mean red, green, blue."""

    @property
    def tint(self) -> float:
        return max(self.colour) - min(self.colour)

    def is_near(self, *colour: int) -> bool:
        return max(abs(c - w) for c, w in zip(self.colour, colour, strict=True)) < 20


@dataclass(frozen=True, slots=True)
class Look:
    """A returned picture: well inside the disc, and well outside of it."""

    ratio: float
    """Width by height."""
    inside: Part
    outside: Part
    alpha_inside: Part
    """In the right half; what is there of a picture that is not double is of no account."""
    alpha_outside: Part

    @property
    def is_single(self) -> bool:
        return self.ratio < 2


def look(picture: Rgb) -> Look:
    """Of any size: [h, w, 3]"""
    height, width = picture.shape[:2]
    is_double = width / height > 2
    left = picture[:, : width // 2] if is_double else picture
    right = picture[:, width // 2 :] if is_double else picture
    return Look(width / height, *_parts(left), *_parts(right))


def _parts(picture: Rgb) -> tuple[Part, Part]:
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    away = np.hypot(x - AT[0] * width, y - AT[1] * height) / (height / 5)
    return _part(picture[away < 0.65]), _part(picture[away > 1.6])


def _part(pixels: Rgb) -> Part:
    return Part(float(pixels.mean(axis=1).std()) * 2 / (LIGHT - DARK), tuple(pixels.mean(axis=0)))


def _is_whole(part: Part) -> bool:
    return part.pattern > 0.8 and part.tint < 15


def _is_blurred(part: Part) -> bool:
    middle = (LIGHT + DARK) // 2
    return part.pattern < 0.3 and part.is_near(middle, middle, middle)


SHOWN: dict[Mode, tuple[dict[str, float | str], Callable[[Look], bool]]] = {
    Mode.OVERLAY: (
        {},
        lambda p: p.inside.pattern > 0.3 and p.inside.tint > 40 and _is_whole(p.outside),
    ),
    Mode.NONE: ({}, lambda p: p.is_single and _is_whole(p.inside) and _is_whole(p.outside)),
    Mode.BLUR: ({}, lambda p: _is_whole(p.inside) and _is_blurred(p.outside)),
    Mode.REPLACE: (
        {"colour": "#1020c0"},
        lambda p: (
            _is_whole(p.inside) and p.outside.pattern < 0.1 and p.outside.is_near(0x10, 0x20, 0xC0)
        ),
    ),
    Mode.GREEN: (
        {},
        lambda p: _is_whole(p.inside) and p.outside.pattern < 0.1 and p.outside.is_near(0, 177, 64),
    ),
    Mode.CUTOUT: (
        {},
        lambda p: (
            not p.is_single
            and _is_whole(p.inside)
            and p.outside.is_near(0, 0, 0)
            and p.alpha_inside.is_near(255, 255, 255)
            and p.alpha_outside.is_near(0, 0, 0)
        ),
    ),
    Mode.PIXELATE: ({}, lambda p: _is_blurred(p.inside) and _is_whole(p.outside)),
    Mode.REDACT_BLUR: ({}, lambda p: _is_blurred(p.inside) and _is_whole(p.outside)),
    Mode.SPOTLIGHT: (
        {},
        lambda p: (
            _is_whole(p.inside)
            and p.outside.pattern < 0.7
            and max(p.outside.colour) < 0.7 * (LIGHT + DARK) / 2
        ),
    ),
}
"""Each mode with a picture: its options, and what has to hold of it."""
