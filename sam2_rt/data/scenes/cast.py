"""Cast: where sprites and backgrounds come from."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.photos import Bank, Photo
from sam2_rt.data.scenes.shape import draw_outline
from sam2_rt.data.scenes.sprite import (
    Sprite,
    can_be_cut,
    cut_out,
    fit_sprite,
    flip_sprite,
    make_sprite,
)
from sam2_rt.data.scenes.texture import draw_texture

_TRIES: Final = 8
_SHAPE_SIDE: Final = 192


@dataclass(frozen=True, slots=True)
class Cast:
    """The banks; each of them may be empty."""

    photos: Bank[Photo]
    masked: Bank[Photo]
    cutouts: Bank[NDArray[np.uint8]]

    def background(self, rng: Generator) -> NDArray[np.uint8]:
        """A photograph, or a texture one time in four or when there is none: [H, W, 3]."""
        bank = self.masked if rng.random() < 0.3 and len(self.masked) else self.photos
        photo = bank.draw(rng) if rng.random() < 0.75 else None
        if photo is None:
            return draw_texture(rng, 320, 420)
        return _flip(rng, photo.rgb)

    def sprite(self, rng: Generator, long_side: float, background: NDArray[np.uint8]) -> Sprite:
        """Of about that many pixels; some shapes have the background's own colours."""
        kind = rng.random()
        sprite = None
        if kind < 0.5:
            sprite = self._object(rng)
        elif kind < 0.7:
            sprite = self._cutout(rng)
        if sprite is None:
            sprite = self._shape(rng, background)
        if rng.random() < 0.5:
            sprite = flip_sprite(sprite)
        return fit_sprite(sprite, long_side)

    def _object(self, rng: Generator) -> Sprite | None:
        for _ in range(_TRIES):
            photo = self.masked.draw(rng)
            if photo is None:
                return None
            whole = [one for one in photo.objects if can_be_cut(one)]
            if whole:
                return cut_out(photo, whole[int(rng.integers(min(len(whole), 4)))])
        return None

    def _cutout(self, rng: Generator) -> Sprite | None:
        rgba = self.cutouts.draw(rng)
        if rgba is None:
            return None
        return make_sprite(np.ascontiguousarray(rgba[..., :3]), rgba[..., 3])

    def _shape(self, rng: Generator, background: NDArray[np.uint8]) -> Sprite:
        mask = draw_outline(rng, _SHAPE_SIDE)
        photo = self.photos.draw(rng) if rng.random() < 0.7 else None
        if rng.random() < 0.3:
            texture = _crop(rng, background, _SHAPE_SIDE)
        elif photo is not None:
            texture = _crop(rng, photo.rgb, _SHAPE_SIDE)
        else:
            texture = draw_texture(rng, _SHAPE_SIDE, _SHAPE_SIDE)
        return make_sprite(texture, mask)


def _flip(rng: Generator, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rgb[:, ::-1]) if rng.random() < 0.5 else rgb


def _crop(rng: Generator, rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A square part of a picture, as large as the side or shrunk to it."""
    height, width = rgb.shape[:2]
    taken = int(rng.integers(min(side, height, width) // 2, min(height, width) + 1))
    top = int(rng.integers(height - taken + 1))
    left = int(rng.integers(width - taken + 1))
    part = rgb[top : top + taken, left : left + taken]
    return cv2.resize(
        part, (side, side), interpolation=cv2.INTER_AREA if taken > side else cv2.INTER_LINEAR
    )
