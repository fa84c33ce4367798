"""Text: words as objects, alone or on a plate, as signs and captions are."""

import string
from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sam2_rt.data.scenes.sprite import Sprite, make_sprite

_HEIGHT = 72


def draw_sign(rng: Generator, texture: NDArray[np.uint8]) -> Sprite:
    """One to six letters, filled with a texture [H, W, 3] or standing on a plate of it."""
    letters = rng.choice(list(string.ascii_letters + string.digits), int(rng.integers(1, 7)))
    ink = _write("".join(letters))
    on_plate = rng.random() < 0.6
    margin = int(rng.integers(8, 24)) if on_plate else 0
    ink = np.asarray(
        cv2.copyMakeBorder(ink, *(margin,) * 4, cv2.BORDER_CONSTANT, value=(0,)), np.uint8
    )
    height, width = ink.shape
    rgb = np.asarray(cv2.resize(texture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if not on_plate:
        return make_sprite(rgb, ink)
    bright = rgb.mean() > 127
    colour = rng.integers(0, 80, 3) if bright else rng.integers(175, 256, 3)
    share = (ink[..., None] / np.float32(255)).astype(np.float32)
    painted = (rgb * (1 - share) + colour * share).astype(np.uint8)
    return make_sprite(painted, np.full((height, width), 255, np.uint8))


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_HEIGHT)


def _write(letters: str) -> NDArray[np.uint8]:
    """Bold letters as a mask [H, W], cropped."""
    box = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((0, 0), letters, _font(), stroke_width=3)
    canvas = Image.new("L", (int(box[2]) + 8, int(box[3]) + 8))
    ImageDraw.Draw(canvas).text((0, 0), letters, 255, _font(), stroke_width=3)
    mask = np.array(canvas)
    x, y, width, height = cv2.boundingRect(mask)
    return np.ascontiguousarray(mask[y : y + height, x : x + width])
