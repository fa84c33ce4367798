"""Scene: all that is needed to draw a clip, with nothing left to chance."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices
from sam2_rt.data.scenes.degrade import Flaws
from sam2_rt.data.scenes.light import Light, Shadow
from sam2_rt.data.scenes.resample import Bend
from sam2_rt.data.scenes.sprite import Sprite

FIRST_LAYER: Final = 256
"""Owner of a pixel: an id of the backdrop (0 to 255), or this plus the number of a layer."""


@dataclass(frozen=True, slots=True)
class Format:
    """Of the clip to make."""

    num_frames: int
    size: int
    """Side of the square frames, pixels."""
    difficulty: float
    """0 to 1, as in SceneConfig."""


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """What is behind all sprites."""

    rgb: NDArray[np.uint8]
    """[H, W, 3]"""
    matrices: Matrices
    """[T, 3, 3], from its pixels to those of the frame"""
    ids: NDArray[np.uint8] | None = None
    """[H, W], as in Photo; None: nothing on it is an object"""
    bend: Bend | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A sprite and where it is."""

    sprite: Sprite
    matrices: Matrices
    """[T, 3, 3], from its pixels to those of the frame"""
    bend: Bend | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """Layers that move together, from back to front, and what of them may be tracked."""

    layers: tuple[Layer, ...]
    things: tuple[frozenset[int], ...]
    """Numbers of its layers that are one object: the whole, and parts; none of an occluder."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What light and camera do to the picture."""

    flaws: Flaws
    light: Light | None = None
    shadow: Shadow | None = None
    shutter: float = 0.0
    """Share of a frame's time that it is open; 0: no motion blur."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A backdrop, layers from back to front, and what may be tracked."""

    form: Format
    backdrop: Backdrop
    layers: tuple[Layer, ...]
    things: tuple[frozenset[int], ...]
    """Owners that together are one object; parts are things too."""
    look: Look


def make_scene(
    form: Format,
    backdrop: Backdrop,
    labels: Iterable[int],
    actors: Iterable[Actor],
    look: Look,
) -> Scene:
    """The objects of a backdrop that have these labels, and actors from back to front."""
    layers: list[Layer] = []
    things = [frozenset((label,)) for label in labels]
    for actor in actors:
        first = FIRST_LAYER + len(layers)
        things += [frozenset(first + part for part in thing) for thing in actor.things]
        layers += actor.layers
    return Scene(form, backdrop, tuple(layers), tuple(things), look)
