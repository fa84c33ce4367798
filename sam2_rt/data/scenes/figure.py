"""Figures: jointed bodies; each limb is a sprite of its own and follows the limb it hangs on."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, move, scale, turn
from sam2_rt.data.scenes.scene import Layer
from sam2_rt.data.scenes.sprite import Sprite, make_sprite


@dataclass(frozen=True, slots=True)
class Limb:
    """A rounded part; lengths are shares of the figure's box, whose middle is (0.5, 0.5)."""

    parent: int
    """Number of the limb that it hangs on; -1: on the figure itself."""
    joint: tuple[float, float]
    """Where: along and across the parent from its own joint, or in the figure's box."""
    length: float
    width: float
    angle: float
    """At rest, radians from the parent's direction; the figure's own is downwards."""
    swing: float
    """How far it turns to either side, radians; above 3 it turns on and on."""


_PI: Final = math.pi
_WALKER: Final = (
    Limb(-1, (0.5, 0.24), 0.34, 0.2, 0.0, 0.1),
    Limb(0, (0.3, 0.05), 0.24, 0.09, 0.1, 0.6),
    Limb(1, (0.22, 0.0), 0.22, 0.075, -0.2, 0.6),
    Limb(0, (0.3, -0.05), 0.24, 0.09, -0.1, 0.6),
    Limb(3, (0.22, 0.0), 0.22, 0.075, 0.2, 0.6),
    Limb(0, (0.03, 0.09), 0.2, 0.07, 0.6, 0.9),
    Limb(5, (0.19, 0.0), 0.18, 0.06, -0.3, 0.8),
    Limb(0, (0.03, -0.09), 0.2, 0.07, -0.6, 0.9),
    Limb(7, (0.19, 0.0), 0.18, 0.06, 0.3, 0.8),
    Limb(0, (0.0, 0.0), 0.2, 0.16, _PI, 0.3),
)
_BEAST: Final = (
    Limb(-1, (0.24, 0.45), 0.52, 0.26, -_PI / 2, 0.08),
    Limb(0, (0.06, 0.08), 0.3, 0.09, _PI / 2, 0.5),
    Limb(0, (0.14, 0.08), 0.3, 0.08, _PI / 2, 0.5),
    Limb(0, (0.4, 0.08), 0.3, 0.09, _PI / 2, 0.5),
    Limb(0, (0.48, 0.08), 0.3, 0.08, _PI / 2, 0.5),
    Limb(0, (0.48, -0.04), 0.28, 0.15, -0.6, 0.4),
    Limb(0, (0.02, -0.04), 0.25, 0.05, -2.4, 0.8),
)
_WORM: Final = (
    Limb(-1, (0.5, 0.06), 0.22, 0.2, 0.0, 0.4),
    *(Limb(n, (0.19, 0.0), 0.22, 0.18 - 0.02 * n, 0.0, 0.6) for n in range(4)),
)
_CART: Final = (
    Limb(-1, (0.1, 0.5), 0.8, 0.3, -_PI / 2, 0.02),
    Limb(0, (0.3, -0.1), 0.4, 0.3, 0.0, 0.02),
    Limb(0, (0.08, 0.17), 0.24, 0.24, 0.0, 9.0),
    Limb(0, (0.56, 0.17), 0.24, 0.24, 0.0, 9.0),
)
_MILL: Final = (
    *(Limb(-1, (0.5, 0.5), 0.48, 0.16, n * 2 * _PI / 4, 9.0) for n in range(4)),
    Limb(-1, (0.5, 0.42), 0.16, 0.16, 0.0, 0.1),
)
PLANS: Final = (_WALKER, _BEAST, _WORM, _CART, _MILL)


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """Layers of a figure and those of them that hang together."""

    layers: tuple[Layer, ...]
    limbs: tuple[frozenset[int], ...]
    """Each limb of the trunk with all that hangs on it: an arm is its upper and lower half."""


def draw_figure(
    rng: Generator, textures: list[NDArray[np.uint8]], box: Matrices, side: float, turns: float
) -> Figure:
    """A body in a box, with limbs of these textures [H, W, 3].

    box [T, 3, 3] maps the unit square to pixels, about `side` of them; limbs swing `turns` times.
    """
    plan = PLANS[int(rng.integers(len(PLANS)))]
    stretch = rng.uniform(0.75, 1.3, 2)
    phase = rng.uniform(0, 2 * _PI)
    time = np.linspace(0, 1, len(box)) * turns * 2 * _PI
    frames: list[Matrices] = []
    layers: list[Layer] = []
    for number, limb in enumerate(plan):
        swung = time if limb.swing > 3 else limb.swing * np.sin(time + phase + (number % 2) * _PI)
        hung = box @ move(limb.joint) @ turn(_PI / 2 + limb.angle + swung)
        if limb.parent >= 0:
            hung = frames[limb.parent] @ move(limb.joint) @ turn(limb.angle + swung)
        frames.append(hung)
        length, width = limb.length * stretch[0], limb.width * stretch[1]
        sprite = _draw_limb(rng, textures[number % len(textures)], length * side, width * side)
        # A limb's sprite lies along x; its joint is at the middle of its rounded end.
        laid = move((-width / 2, -width / 2)) @ scale((length + width) / sprite.size[0])
        layers.append(Layer(sprite, hung @ laid))
    return Figure(tuple(layers), _branches(plan))


def _branches(plan: tuple[Limb, ...]) -> tuple[frozenset[int], ...]:
    """Each limb that hangs on the trunk, with all below it."""
    root: dict[int, int] = {}
    for number, limb in enumerate(plan):
        root[number] = number if limb.parent <= 0 else root[limb.parent]
    return tuple(
        frozenset(n for n, top in root.items() if top == number)
        for number in sorted(set(root.values()))
    )


def _draw_limb(rng: Generator, texture: NDArray[np.uint8], length: float, width: float) -> Sprite:
    """A capsule along x."""
    high = max(round(width), 4)
    long = max(round(length + width), high + 2)
    mask = np.zeros((high, long), np.uint8)
    radius = high / 2 - 0.5
    cv2.line(
        mask,
        (round(radius), round(radius)),
        (round(long - 1 - radius), round(radius)),
        255,
        max(high - 1, 1),
        cv2.LINE_AA,
    )
    top = int(rng.integers(max(texture.shape[0] - high, 0) + 1))
    part = texture[top : top + high]
    rgb = cv2.resize(part, (long, high), interpolation=cv2.INTER_AREA)
    shade = np.sin(np.linspace(0.3, _PI - 0.3, high))[:, None, None] ** 0.5
    lit = (np.asarray(rgb) * (0.6 + 0.4 * shade)).astype(np.uint8)
    return make_sprite(lit, mask)
