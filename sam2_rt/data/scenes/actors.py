"""Actors: sprites and figures with a course each, as layers of a scene."""

import math
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, corners
from sam2_rt.data.scenes.camera import Camera
from sam2_rt.data.scenes.cast import Cast, camouflage
from sam2_rt.data.scenes.figure import draw_figure
from sam2_rt.data.scenes.motion import Motion, Points, Tempo, draw_motion, draw_start, wander
from sam2_rt.data.scenes.photos import Photo
from sam2_rt.data.scenes.resample import Bend, draw_bend
from sam2_rt.data.scenes.scene import Actor, Format, Layer
from sam2_rt.data.scenes.shape import draw_outline
from sam2_rt.data.scenes.sprite import (
    Sprite,
    cut_out,
    fit_sprite,
    is_whole,
    make_sprite,
    shade_sprite,
)

_MAX_ENLARGED: Final = 1.8
"""Sprites are not shown larger than their pixels by more."""
_WHOLE: Final = (frozenset((0,)),)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What all actors of a clip share."""

    rng: Generator
    cast: Cast
    form: Format
    camera: Camera
    background: NDArray[np.uint8]
    """[H, W, 3], what low-contrast sprites are filled with"""
    tempo: Tempo
    taken: list[Points] = field(default_factory=list)
    """Places [2] where actors start."""

    def draw_turns(self) -> float:
        """Periods of what swings or bends, in the clip."""
        return float(
            min(self.tempo.pace * 12 * self.rng.uniform(0.5, 1.5), 0.4) * (self.form.num_frames - 1)
        )

    def course(self, size: float) -> Motion:
        """From where there is room."""
        start = draw_start(self.rng, self.taken)
        self.taken.append(start)
        return draw_motion(self.rng, self.form.num_frames, start, size, self.tempo)

    def pixels(self, size: float) -> float:
        """Of a length in the world, in the frame, along the axis that is squeezed least."""
        return float(size * self.form.size / self.camera.squeeze.min())


def draw_size(rng: Generator, difficulty: float, largest: float) -> float:
    """Of an actor's longer side, as a share of the frame's."""
    smallest = 0.34 - 0.18 * difficulty
    return float(smallest + (largest - smallest) * rng.beta(1.2, 1.6))


def draw_actors(stage: Stage, size: float) -> list[Actor]:
    """An actor, and sometimes others that look the same but go elsewhere."""
    rng, difficulty = stage.rng, stage.form.difficulty
    if rng.random() < 0.12:
        return [_figure(stage, max(size, 0.4))]
    sprite = stage.cast.sprite(rng)
    size = min(size, max(sprite.size) * _MAX_ENLARGED / stage.form.size)
    if rng.random() < 0.05 + 0.2 * difficulty:
        sprite = camouflage(rng, sprite, stage.background)
    if rng.random() < 0.3:
        sprite = shade_sprite(sprite, rng.uniform(0.55, 1.15, (2, 2)))
    alike = 1 + int(rng.random() < 0.02 + 0.12 * difficulty)
    return [_single(stage, sprite, stage.course(size), stage.camera) for _ in range(alike)]


def draw_bust(stage: Stage) -> list[Actor]:
    """A person who is cut off by the frame's lower border, as in front of a webcam."""
    sprite = stage.cast.bust(stage.rng)
    if sprite is None:
        return []
    rng, num_frames = stage.rng, stage.form.num_frames
    width, height = sprite.size
    size = rng.uniform(0.5, 1.0) * max(1.0, width / height)
    start = np.array((rng.uniform(-0.25, 0.25), 0.6 - size / 2 * min(1.0, height / width)))
    place = wander(rng, start, min(stage.tempo.pace, 0.05), num_frames)
    tilt = 0.06 * np.sin(np.linspace(0, 2 * math.pi * stage.draw_turns(), num_frames))
    motion = Motion(place, tilt, np.full(num_frames, size))
    actor = _single(stage, sprite, motion, stage.camera)
    layer = actor.layers[0]
    sunk = _sink(layer.matrices, layer.sprite.size, stage.form.size)
    return [Actor((Layer(layer.sprite, sunk, layer.bend),), _WHOLE)]


def draw_doubles(stage: Stage, photo: Photo) -> list[Actor]:
    """An object of the photograph behind, cut out and moving elsewhere; none if none is whole."""
    whole = [one for one in photo.objects if is_whole(one)]
    if not whole:
        return []
    sprite = cut_out(photo, whole[int(stage.rng.integers(min(len(whole), 3)))])
    size = stage.rng.uniform(0.2, 0.6)
    size = min(size, max(sprite.size) * _MAX_ENLARGED / stage.form.size)
    return [_single(stage, sprite, stage.course(size), stage.camera)]


def draw_occluder(stage: Stage) -> Actor:
    """Something in front of all that nobody asks for: a post, a plate, somebody passing."""
    rng = stage.rng
    size = rng.uniform(0.25, 0.55)
    if rng.random() < 0.5:
        mask = np.full((192, int(rng.integers(10, 34))), 255, np.uint8)
        size = rng.uniform(0.9, 2.0)
    else:
        mask = draw_outline(rng, 160)
    texture = stage.cast.texture(rng, 192)[: mask.shape[0], : mask.shape[1]]
    sprite = make_sprite(texture, mask)
    motion = stage.course(size)
    motion = Motion(motion.place, motion.angle * 0.3, motion.size)
    actor = _single(stage, sprite, motion, stage.camera)
    return Actor(actor.layers, ())


def _single(stage: Stage, sprite: Sprite, motion: Motion, camera: Camera) -> Actor:
    """One sprite; a third of them bend."""
    rng = stage.rng
    sprite = fit_sprite(sprite, stage.pixels(float(motion.size.max())))
    bend: Bend | None = None
    if rng.random() < 0.35 and stage.form.num_frames > 1:
        reach = max(sprite.size) * rng.uniform(0.01, 0.07)
        sprite, around = _pad(sprite, math.ceil(reach) + 1)
        bend = draw_bend(rng, stage.form.num_frames, reach, stage.draw_turns())
        motion = Motion(motion.place, motion.angle, motion.size * around)
    matrices = camera.matrices(rng.uniform(1.0, 1.4)) @ motion.matrices(sprite.size)
    return Actor((Layer(sprite, matrices, bend),), _WHOLE)


def _pad(sprite: Sprite, by: int) -> tuple[Sprite, float]:
    """With room to bend into, and how much longer its longer side has become."""
    around = cv2.copyMakeBorder(sprite.rgba, by, by, by, by, cv2.BORDER_CONSTANT, value=(0,) * 4)
    grown = Sprite(np.asarray(around, np.uint8))
    return grown, max(grown.size) / max(sprite.size)


def _sink(matrices: Matrices, sprite_size: tuple[int, int], frame_size: int) -> Matrices:
    """Lowered where the sprite's lower edge would come into view."""
    feet = (matrices @ corners(*sprite_size)[:, 2:])[:, 1].min(axis=1)
    sunk = matrices.copy()
    # Two rows more for the clear rim.
    sunk[:, 1, 2] += np.maximum(frame_size + 2 - feet, 0)
    return sunk


def _figure(stage: Stage, size: float) -> Actor:
    """A jointed body; the whole and one or two of its limbs are things."""
    rng = stage.rng
    side = stage.pixels(size)
    textures = [stage.cast.texture(rng, 96) for _ in range(int(rng.integers(1, 4)))]
    box = stage.camera.matrices(rng.uniform(1.0, 1.4)) @ stage.course(size).matrices((1, 1))
    figure = draw_figure(rng, textures, box, side, stage.draw_turns())
    parts = rng.permutation(len(figure.limbs))[: int(rng.integers(0, 3))]
    whole = frozenset(range(len(figure.layers)))
    return Actor(figure.layers, (whole, *(figure.limbs[int(part)] for part in parts)))
