"""Screen: something that comes in front of one actor, hides it for a while, and mostly passes."""

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


def draw_screen(stage: Stage, hidden: Actor) -> Actor:
    """Goes with the actor while it hides it; nobody asks for it. Clips of MIN_FRAMES or more.

    Three in four go on when it was hidden; the others stay in front to the end.
    """
    rng = stage.rng
    middles, reach = _extent(hidden)
    way = rng.uniform(0, 2 * math.pi)
    apart = _approach(rng, stage.form.num_frames, passes=rng.random() < 0.75)
    offsets = apart[:, None] * _APART * reach * np.array((math.cos(way), math.sin(way)))
    matrices = move(middles + offsets) @ scale(2 * reach / _SIDE) @ move((-_SIDE / 2, -_SIDE / 2))
    sprite = make_sprite(stage.cast.texture(rng, _SIDE), _draw_panel(rng))
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


def _draw_panel(rng: Generator) -> NDArray[np.uint8]:
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
