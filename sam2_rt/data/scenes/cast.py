"""Cast: where backgrounds and sprites come from, whatever folders there are."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.photos import Bank, LabelledObject, Photo
from sam2_rt.data.scenes.shape import draw_outline
from sam2_rt.data.scenes.sprite import (
    Sprite,
    cut_out,
    feather,
    flip_sprite,
    is_bust,
    is_whole,
    make_sprite,
)
from sam2_rt.data.scenes.superpixel import draw_piece
from sam2_rt.data.scenes.text import draw_sign
from sam2_rt.data.scenes.texture import draw_texture

Picture = NDArray[np.uint8]
"""[H, W, 3]"""

_TRIES: Final = 8
_SHAPE_SIDE: Final = 160
_TALL: Final = 1.3
"""Height by width of what stands."""
_MIN_HEIGHT: Final = 130
"""Of what stands and is cut in two, pixels."""
_LARGEST: Final = 4
"""Of a photograph's objects one of so many is cut out."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The banks; each of them may be empty."""

    photos: Bank[Photo]
    masked: Bank[Photo]
    cutouts: Bank[NDArray[np.uint8]]

    def background(self, rng: Generator) -> Picture:
        """A photograph, or a texture one time in five and when there is none."""
        photo = self.photo(rng) if rng.random() < 0.8 else None
        if photo is None:
            return draw_texture(rng, 300, 400)
        return np.asarray(cv2.flip(photo, 1), np.uint8) if rng.random() < 0.5 else photo

    def photo(self, rng: Generator) -> Picture | None:
        """Any, with or without masks."""
        both = len(self.photos) + len(self.masked)
        if both == 0:
            return None
        bank = self.photos if rng.integers(both) < len(self.photos) else self.masked
        photo = bank.draw(rng)
        return None if photo is None else photo.rgb

    def texture(self, rng: Generator, side: int) -> Picture:
        """A square, mostly out of a photograph."""
        photo = self.photo(rng) if rng.random() < 0.75 else None
        return draw_texture(rng, side, side) if photo is None else crop(rng, photo, side)

    def sprite(self, rng: Generator) -> Sprite:
        """An object or a piece of a photograph, a cut-out, a shape or a sign."""
        kind = rng.random()
        sprite = None
        if kind < 0.52:
            sprite = self.whole_object(rng)
        elif kind < 0.68:
            sprite = self.piece(rng)
        elif kind < 0.80:
            sprite = self._cutout(rng)
        elif kind < 0.85:
            sprite = draw_sign(rng, self.texture(rng, _SHAPE_SIDE))
        if sprite is None:
            outline = draw_outline(rng, _SHAPE_SIDE)
            sprite = make_sprite(self.texture(rng, _SHAPE_SIDE), outline)
        return flip_sprite(sprite) if rng.random() < 0.5 else sprite

    def whole_object(self, rng: Generator) -> Sprite | None:
        """Of a photograph with masks; None if there is none."""
        for _ in range(_TRIES):
            photo = self.masked.draw(rng)
            if photo is None:
                return None
            whole = [one for one in photo.objects if is_whole(one)][:_LARGEST]
            if whole:
                return cut_out(photo, whole[int(rng.integers(len(whole)))])
        return None

    def bust(self, rng: Generator) -> Sprite | None:
        """A person, mostly, cut off below; None if there is none.

        By the photograph's border, or tall and whole there, and cut here.
        """
        for _ in range(2 * _TRIES):
            photo = self.masked.draw(rng)
            if photo is None:
                return None
            for one in photo.objects[:2]:
                if is_bust(one):
                    return cut_out(photo, one)
                if is_whole(one) and _stands(one):
                    return _upper_part(cut_out(photo, one), rng.uniform(0.35, 0.75))
        return None

    def piece(self, rng: Generator) -> Sprite | None:
        """A superpixel of a photograph; None if there is none."""
        photo = self.photo(rng)
        if photo is None:
            return None
        mask = draw_piece(rng, photo)
        return make_sprite(photo, feather(mask)) if mask.any() else None

    def _cutout(self, rng: Generator) -> Sprite | None:
        rgba = self.cutouts.draw(rng)
        if rgba is None:
            return None
        return make_sprite(np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3]))


def _stands(one: LabelledObject) -> bool:
    x0, y0, x1, y1 = one.box
    return y1 - y0 > max(_TALL * (x1 - x0), _MIN_HEIGHT)


def _upper_part(sprite: Sprite, share: float) -> Sprite:
    rows = max(round(sprite.size[1] * share), 4)
    return Sprite(np.ascontiguousarray(sprite.rgba[:rows]))


def camouflage(rng: Generator, sprite: Sprite, background: Picture) -> Sprite:
    """Of the same outline, but filled from the background, a little brighter, darker or tinted."""
    width, height = sprite.size
    side = max(width, height)
    texture = crop(rng, background, side)[:height, :width].astype(np.float32)
    gain = float(rng.choice((-1, 1)) * rng.uniform(0.12, 0.4))
    tint = rng.normal(0, 12, 3)
    filled = np.clip(texture * (1 + gain) + tint, 0, 255).astype(np.uint8)
    return make_sprite(filled, sprite.alpha)


def crop(rng: Generator, rgb: Picture, side: int) -> Picture:
    """A square part of a picture, scaled to that side."""
    height, width = rgb.shape[:2]
    most = min(height, width)
    taken = int(rng.integers(min(side // 2, most), most + 1))
    top = int(rng.integers(height - taken + 1))
    left = int(rng.integers(width - taken + 1))
    part = rgb[top : top + taken, left : left + taken]
    # Averaging is three times the work, and shows only where much is shrunk.
    how = cv2.INTER_AREA if taken > 1.5 * side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (side, side), interpolation=how), np.uint8)
