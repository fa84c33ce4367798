"""Scene: all that is needed to draw a clip, with nothing left to chance."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices
from sam2_rt.data.scenes.degrade import Flaws
from sam2_rt.data.scenes.sprite import Sprite

FIRST_LAYER: Final = 256
"""Owner of a pixel: an id of the backdrop (0 to 255), or this plus the number of a layer."""


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """What is behind all sprites."""

    rgb: NDArray[np.uint8]
    """[H, W, 3]"""
    matrices: Matrices
    """[T, 3, 3], from its pixels to those of the frame"""
    ids: NDArray[np.uint8] | None = None
    """[H, W], as in Photo; None: nothing on it is an object"""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A sprite and where it is."""

    sprite: Sprite
    matrices: Matrices
    """[T, 3, 3], from its pixels to those of the frame"""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A backdrop, layers from back to front, and what may be tracked."""

    num_frames: int
    size: int
    backdrop: Backdrop
    layers: tuple[Layer, ...]
    things: tuple[frozenset[int], ...]
    """Owners that together are one object; parts are things too."""
    flaws: Flaws = field(default_factory=Flaws)
