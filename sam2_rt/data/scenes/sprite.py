"""Sprite: a flat picture with soft edges that is moved over a background."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.scenes.photos import LabelledObject, Photo

MIN_CUTOUT_SIDE: Final = 40
"""Shorter objects of photographs are mush when they are enlarged, pixels."""
MAX_BORDER: Final = 0.06
"""Objects that touch the photograph's border more are cut off there."""


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


def make_sprite(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> Sprite:
    """From colours [H, W, 3] and alpha [H, W], cropped to what can be seen, with a clear rim."""
    x, y, width, height = cv2.boundingRect(alpha)
    crop = (slice(y, y + height), slice(x, x + width))
    opacity = np.ascontiguousarray(alpha[crop])
    colours = cv2.multiply(
        np.ascontiguousarray(rgb[crop]), cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGB), scale=1 / 255
    )
    rgba = cv2.merge([*cv2.split(colours), opacity])
    return Sprite(cv2.copyMakeBorder(rgba, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)))


def fit_sprite(sprite: Sprite, long_side: float) -> Sprite:
    """Shrunk so that its longer side is `long_side` pixels; never enlarged."""
    width, height = sprite.size
    factor = long_side / max(width, height)
    if factor >= 1:
        return sprite
    size = (max(round(width * factor), 2), max(round(height * factor), 2))
    return Sprite(cv2.resize(sprite.rgba, size, interpolation=cv2.INTER_AREA))


def flip_sprite(sprite: Sprite) -> Sprite:
    """Left and right exchanged."""
    return Sprite(np.ascontiguousarray(sprite.rgba[:, ::-1]))


def can_be_cut(one: LabelledObject) -> bool:
    """Whether an object is whole and large enough to be shown elsewhere."""
    x0, y0, x1, y1 = one.box
    return (
        max(x1 - x0, y1 - y0) >= MIN_CUTOUT_SIDE
        and one.area >= MIN_CUTOUT_SIDE**2 // 2
        and one.border <= MAX_BORDER
    )


def cut_out(photo: Photo, one: LabelledObject) -> Sprite:
    """An object of a photograph; the edge is feathered inwards, so no background comes along."""
    assert photo.ids is not None, "an object without ids"
    x0, y0, x1, y1 = one.box
    mask = (photo.ids[y0:y1, x0:x1] == one.label).view(np.uint8) * np.uint8(255)
    return make_sprite(photo.rgb[y0:y1, x0:x1], feather(mask))


def feather(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Alpha [H, W] that falls to zero within the last two pixels of a mask of 0 and 255."""
    padded = cv2.copyMakeBorder(mask, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=0)
    soft = cv2.min(
        padded, cv2.GaussianBlur(cv2.erode(padded, np.ones((3, 3), np.uint8)), (3, 3), 0)
    )
    return np.ascontiguousarray(soft[2:-2, 2:-2])
