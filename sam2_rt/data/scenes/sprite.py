"""Sprite: a flat picture with soft edges that is moved over a background."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.scenes.photos import LabelledObject, Photo

MIN_CUTOUT_SIDE: Final = 40
"""Shorter objects of photographs are mush when they are enlarged, pixels."""
MAX_CUT: Final = 0.15
"""Of a side of an object's box: what the photograph's border cuts off more is no whole object."""


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """Colours times alpha, so that it can be resampled without a dark or bright rim."""

    rgba: NDArray[np.uint8]
    """[H, W, 4], premultiplied"""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.rgba.shape[:2]
        return width, height

    @property
    def alpha(self) -> NDArray[np.uint8]:
        """[H, W]"""
        return np.ascontiguousarray(self.rgba[..., 3])


def make_sprite(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Sprite:
    """From colours [H, W, 3] and alpha [H, W], cropped to what can be seen, with a clear rim."""
    x, y, width, height = cv2.boundingRect(alpha)
    assert width > 0, "a sprite that nobody sees"
    crop = (slice(y, y + height), slice(x, x + width))
    opacity = np.ascontiguousarray(alpha[crop])
    colours = cv2.multiply(
        np.ascontiguousarray(rgb[crop]), cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGB), scale=1 / 255
    )
    rgba = cv2.merge([*cv2.split(colours), opacity])
    rim = cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    return Sprite(np.asarray(rim, np.uint8))


def fit_sprite(sprite: Sprite, long_side: float) -> Sprite:
    """Shrunk so that its longer side is `long_side` pixels; never enlarged."""
    width, height = sprite.size
    factor = long_side / max(width, height)
    if factor >= 1:
        return sprite
    size = (max(round(width * factor), 2), max(round(height * factor), 2))
    return Sprite(np.asarray(cv2.resize(sprite.rgba, size, interpolation=cv2.INTER_AREA), np.uint8))


def flip_sprite(sprite: Sprite) -> Sprite:
    """Left and right exchanged."""
    return Sprite(np.asarray(cv2.flip(sprite.rgba, 1), np.uint8))


def shade_sprite(sprite: Sprite, gains: NDArray[np.float64]) -> Sprite:
    """Lit by gains [n, n] that are spread over it smoothly."""
    field = np.clip(gains * 128, 0, 255).astype(np.uint8)
    spread = cv2.resize(field, sprite.size, interpolation=cv2.INTER_LINEAR)
    # Colours stay below alpha: a sprite reflects at most all light.
    lit = cv2.multiply(
        sprite.rgba[..., :3], cv2.cvtColor(spread, cv2.COLOR_GRAY2RGB), scale=1 / 128
    )
    capped = cv2.min(lit, cv2.cvtColor(sprite.alpha, cv2.COLOR_GRAY2RGB))
    return Sprite(np.asarray(cv2.merge([*cv2.split(capped), sprite.alpha]), np.uint8))


def is_whole(one: LabelledObject) -> bool:
    """Whether an object is complete and large enough to be shown elsewhere."""
    return _is_large(one) and max(one.cut) <= MAX_CUT


def is_bust(one: LabelledObject) -> bool:
    """Whether only the photograph's lower border cuts an object off: a person at a table."""
    left, top, right, bottom = one.cut
    return _is_large(one) and max(left, top, right) <= MAX_CUT < bottom


def _is_large(one: LabelledObject) -> bool:
    x0, y0, x1, y1 = one.box
    longer = max(x1 - x0, y1 - y0)
    return longer >= MIN_CUTOUT_SIDE and one.area >= MIN_CUTOUT_SIDE**2 // 2


def cut_out(photo: Photo, one: LabelledObject) -> Sprite:
    """An object of a photograph; the edge is feathered inwards, so no background comes along."""
    assert photo.ids is not None, "an object without ids"
    x0, y0, x1, y1 = one.box
    mask = (photo.ids[y0:y1, x0:x1] == one.label).view(np.uint8) * np.uint8(255)
    return make_sprite(photo.rgb[y0:y1, x0:x1], feather(mask))


def feather(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Alpha [H, W] that falls to zero within the last two pixels of a mask of 0 and 255."""
    padded = cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(0,))
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8))
    if not inner[2:-2, 2:-2].any():
        return mask
    soft = cv2.min(padded, cv2.GaussianBlur(inner, (3, 3), 0))
    return np.ascontiguousarray(np.asarray(soft, np.uint8)[2:-2, 2:-2])
