"""Looks: pictures for the surfaces of a world, from photographs or made up."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.photos import Bank, Photo
from sam2_rt.data.scenes.texture import draw_texture

CUBE_SIDE: Final = 64
"""Of a picture for one face of a body, pixels; GL would rescale what is no power of two, slowly."""

_PHOTO: Final = 0.6  # how often a surface bears a photograph, where there are any

Picture = NDArray[np.uint8]
"""[H, W, 3], RGB"""


@dataclass(frozen=True, slots=True)
class Surface:
    """How matter answers to light."""

    specular: float
    shininess: float
    reflectance: float = 0.0


def draw_surface(rng: Generator) -> Surface:
    """Mostly dull, sometimes glossy."""
    glossy = rng.random() < 0.3
    return Surface(float(rng.uniform(0.4, 1) if glossy else rng.uniform(0, 0.3)), rng.uniform(0, 1))


def draw_picture(rng: Generator, photos: Bank[Photo], height: int, width: int) -> Picture:
    """A piece of a photograph or a made-up texture."""
    photo = photos.draw(rng) if rng.random() < _PHOTO else None
    if photo is None:
        return _fade(rng, draw_texture(rng, height, width))
    return _resize(_piece(rng, photo.rgb), width, height)


def draw_cube(rng: Generator, picture: Picture) -> Picture:
    """Six faces [6 * CUBE_SIDE, CUBE_SIDE, 3], each another piece of the picture."""
    faces = [_resize(_piece(rng, picture), CUBE_SIDE, CUBE_SIDE) for _ in range(6)]
    return np.concatenate(faces)


def _fade(rng: Generator, picture: Picture) -> Picture:
    """Most things are of one colour with a little texture, and few colours are pure."""
    if rng.random() < 0.5:
        colour = picture[rng.integers(len(picture)), rng.integers(picture.shape[1])]
        picture = _blend(picture, np.broadcast_to(colour, picture.shape), rng.uniform(0, 0.35))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None].astype(np.uint8, copy=False)
    return _blend(picture, np.broadcast_to(grey, picture.shape), rng.uniform(0.2, 1))


def _blend(one: Picture, other: Picture, share: float) -> Picture:
    """As much of the one as share, 0 to 1, tells."""
    mixed = cv2.addWeighted(one, share, np.ascontiguousarray(other), 1 - share, 0)
    return mixed.astype(np.uint8, copy=False)


def _piece(rng: Generator, picture: Picture) -> Picture:
    """A random half to whole of it, along each axis."""
    height, width = picture.shape[:2]
    rows, columns = (max(8, int(side * rng.uniform(0.5, 1))) for side in (height, width))
    top = int(rng.integers(height - rows + 1)) if height > rows else 0
    left = int(rng.integers(width - columns + 1)) if width > columns else 0
    return picture[top : top + rows, left : left + columns]


def _resize(picture: Picture, width: int, height: int) -> Picture:
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False)
