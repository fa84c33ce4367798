"""Still pictures that procedural clips are painted on: sky and hills, a meadow, a standing stone.

Lengths are in units of the frame's height, unless a name says otherwise.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HORIZON: Final = 0.66
"""Top of the meadow, from the frame's top."""
PAN: Final = 0.12
"""How far the camera swings to either side."""
_STONE_SIZE: Final = (0.40, 0.56)
"""Width and height: wide enough to hide the whole ball."""

# Sky at the top and at the horizon, hills, meadow: RGB.
_MOODS: Final = (
    ((62, 84, 148), (250, 186, 140), (104, 88, 128), (92, 108, 66)),
    ((70, 140, 210), (214, 232, 240), (96, 134, 150), (104, 146, 70)),
    ((46, 52, 92), (222, 128, 122), (70, 62, 96), (74, 92, 70)),
)

Field = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """The still pictures, each wider than the frame for the camera to swing over."""

    sky: Image.Image
    """RGB, as high as the frame."""
    meadow: Image.Image
    """RGBA, the lower part of the frame; its top edge is grass."""
    stone: Image.Image
    """RGBA"""


def make_scenery(random: np.random.Generator, size: tuple[int, int]) -> Scenery:
    """For frames of a size, width and height in pixels."""
    top, low, hill, grass = np.array(random.choice(_MOODS), np.float32)
    width, height = size[0] + math.ceil(2 * PAN * size[1]) + 2, size[1]
    return Scenery(
        sky=_make_sky(random, (width, height), (top, low, hill)),
        meadow=_make_meadow(random, (width, round((1 - HORIZON + 0.03) * height)), grass),
        stone=_make_stone(random, height),
    )


def _noise(random: np.random.Generator, size: tuple[int, int], cell_px: float) -> Field:
    """Smooth noise of four octaves, [h, w] in about -1..1; the coarsest has cells of cell_px."""
    total = np.zeros((size[1], size[0]), np.float32)
    for octave in range(4):
        cell = max(1.0, cell_px / 2**octave)
        grid = (max(2, round(size[0] / cell)), max(2, round(size[1] / cell)))
        coarse = Image.fromarray(random.uniform(-1, 1, grid[::-1]).astype(np.float32))
        total += np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) / 2**octave
    return total


def _make_sky(
    random: np.random.Generator, size: tuple[int, int], colours: tuple[Field, Field, Field]
) -> Image.Image:
    width, height = size
    top, low, hill = colours
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    picture = top + (low - top) * np.minimum(1, y / HORIZON) ** 1.3
    flat = Image.fromarray(_noise(random, (width // 3, height), 0.22 * height))
    cloud = np.clip(np.asarray(flat.resize(size, Image.Resampling.BICUBIC)) - 0.2, 0, 1)[..., None]
    picture = picture + (255 - picture) * 0.55 * cloud * (1 - y)
    for depth, base in enumerate((0.46, 0.56)):
        ridge = base + 0.10 * _noise(random, (width, 2), 0.5 * height)[:1, :, None]
        texture = 1 + 0.10 * _noise(random, size, 0.06 * height)[..., None]
        mist = 0.5 - 0.35 * depth
        picture = np.where(y > ridge, (hill * (1 - mist) + low * mist) * texture, picture)
    return to_image(picture)


def _make_meadow(random: np.random.Generator, size: tuple[int, int], grass: Field) -> Image.Image:
    width, height = size
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    blades = _noise(random, (width, height), 5)
    patches = _noise(random, (width, height), 0.5 * height)
    light = 0.72 + 0.35 * y + 0.10 * blades + 0.16 * patches
    edge = np.clip((y * height - 0.05 * height * (1 + blades[:1])) / 2, 0, 1) * 255
    return to_image(np.dstack((grass * light[..., None], edge)))


def _make_stone(random: np.random.Generator, frame_height: int) -> Image.Image:
    width, height = (round(side * frame_height) for side in _STONE_SIZE)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    rough = _noise(random, (width, height), 0.15 * frame_height)
    outline = 0.96 * np.clip(1 - (1 - y) ** 5, 0, 1) ** 0.5 + 0.02 * rough
    depth = (outline - np.abs(x)) * width / 2
    grass = np.abs(_noise(random, (width, 2), 3)[:1]) * 0.03 * frame_height
    depth = np.minimum(depth, (1 - y) * height - grass)
    light = 0.78 - 0.28 * x - 0.25 * np.abs(x) ** 3 + 0.16 * rough - 0.15 * y**4
    colour = np.array((142, 136, 132), np.float32) * light[..., None]
    moss = np.clip(_noise(random, (width, height), 0.12 * frame_height) - 0.3 + 0.5 * y, 0, 1)
    colour += (np.array((92, 112, 60), np.float32) * light[..., None] - colour) * moss[..., None]
    return to_image(np.dstack((colour, np.clip(depth + 0.5, 0, 1) * 255)))


def to_image(pixels: NDArray[np.floating]) -> Image.Image:
    """[h, w, 3 or 4] in 0..255 -> RGB or RGBA."""
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
