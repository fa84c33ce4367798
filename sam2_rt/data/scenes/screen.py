"""Screen: something that comes in front of one actor for a while, and mostly passes.

A panel hides it; through bars, blades and leaves it can be seen in part.
"""

import math
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.actors import Stage
from sam2_rt.data.scenes.affine import corners, move, scale
from sam2_rt.data.scenes.scene import Actor, Layer
from sam2_rt.data.scenes.sprite import make_sprite

MIN_FRAMES: Final = 5
"""Shorter clips have no time to hide something and show it again."""

_SIDE: Final = 192
_APART: Final = 2.8
"""Half sides between the two where nothing is covered, in any direction."""
_MARGIN: Final = 1.15
"""Beyond what is hidden, so that its rim does not show."""


def draw_screen(stage: Stage, hidden: Actor, *, is_open: bool = False) -> Actor:
    """Goes with the actor while it is before it; nobody asks for it. Clips of MIN_FRAMES or more.

    Three in four go on after a while; the others stay in front to the end. An open one has gaps.
    """
    rng = stage.rng
    middles, reach = _extent(hidden)
    way = rng.uniform(0, 2 * math.pi)
    apart = _approach(rng, stage.form.num_frames, passes=rng.random() < 0.75)
    offsets = apart[:, None] * _APART * reach * np.array((math.cos(way), math.sin(way)))
    matrices = move(middles + offsets) @ scale(2 * reach / _SIDE) @ move((-_SIDE / 2, -_SIDE / 2))
    form = OPEN_FORMS[int(rng.integers(len(OPEN_FORMS)))] if is_open else draw_panel
    sprite = make_sprite(stage.cast.texture(rng, _SIDE), form(rng))
    return Actor((Layer(sprite, matrices),), ())


def _extent(actor: Actor) -> tuple[NDArray[np.float64], float]:
    """Middles [T, 2] of all its layers, and how far the farthest corner ever is, pixels."""
    reached = np.concatenate(
        [(one.matrices @ corners(*one.sprite.size))[:, :2] for one in actor.layers], axis=2
    )
    low, high = reached.min(axis=2), reached.max(axis=2)
    return (low + high) / 2, float((high - low).max()) / 2 * _MARGIN


def _approach(rng: Generator, num_frames: int, *, passes: bool) -> NDArray[np.float64]:
    """[T]: 1 at first, 0 while it hides, -1 when it has passed."""
    time = np.linspace(0, 1, num_frames)
    arrives = rng.uniform(0.25, 0.5)
    leaves = arrives + rng.uniform(max(0.15, 1.01 / (num_frames - 1)), 0.4)  # a frame or more
    before = np.clip((arrives - time) / rng.uniform(0.15, arrives), 0, 1)
    after = np.clip((time - leaves) / rng.uniform(0.1, 0.4), 0, 1)
    return np.asarray(before - after * passes)


def draw_panel(rng: Generator) -> NDArray[np.uint8]:
    """[S, S]: a plate, mostly with sharp corners; the round ones are in the margin."""
    if rng.random() < 0.6:
        return np.full((_SIDE, _SIDE), 255, np.uint8)
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    corner = int(rng.integers(8, _SIDE // 5))
    cv2.rectangle(mask, (corner, 0), (_SIDE - corner, _SIDE), 255, -1)
    cv2.rectangle(mask, (0, corner), (_SIDE, _SIDE - corner), 255, -1)
    for x in (corner, _SIDE - corner - 1):
        for y in (corner, _SIDE - corner - 1):
            cv2.circle(mask, (x, y), corner, 255, -1)
    return mask


def draw_bars(rng: Generator) -> NDArray[np.uint8]:
    """[S, S]: a fence or a blind, straight and regular."""
    y, x = np.mgrid[0:_SIDE, 0:_SIDE]
    angle, period = rng.uniform(0, math.pi), rng.uniform(8, 40)
    along = (x * math.cos(angle) + y * math.sin(angle)) / period
    return np.where(along % 1 < rng.uniform(0.25, 0.65), 255, 0).astype(np.uint8)


def draw_blades(rng: Generator) -> NDArray[np.uint8]:
    """[S, S]: grass or twigs, each its own way up."""
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    for _ in range(int(rng.integers(15, 60))):
        foot, lean = rng.uniform(0, _SIDE), rng.normal(0, 0.35)
        height, width = rng.uniform(0.5, 1.1) * _SIDE, rng.uniform(2, 9)
        tip = (foot + lean * height, _SIDE - height)
        blade = np.array(((foot - width / 2, _SIDE), (foot + width / 2, _SIDE), tip))
        cv2.fillPoly(mask, [np.round(blade).astype(np.int32)], 255, cv2.LINE_AA)
    return mask


def draw_leaves(rng: Generator) -> NDArray[np.uint8]:
    """[S, S]: patches, large or small, with gaps between them."""
    cells = int(rng.integers(6, 28))
    level = cv2.resize(rng.random((cells, cells)), (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    return np.where(level > np.quantile(level, rng.uniform(0.35, 0.7)), 255, 0).astype(np.uint8)


OPEN_FORMS: Final = (draw_bars, draw_blades, draw_leaves)
