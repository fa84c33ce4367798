"""Small folders of pictures, as the makers of clips read them."""

from pathlib import Path

import numpy as np
from PIL import Image

RED = (220, 30, 30)
GREY = (120, 120, 120)


def write_photos(folder: Path, count: int = 3) -> Path:
    """Coloured noise, each picture of its own colour."""
    folder.mkdir(parents=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((320, 240)).save(folder / f"{number}.jpg")
    return folder


def write_masked(folder: Path, count: int = 3) -> Path:
    """Grey photographs with a red box (object 7) and an ignored strip on the left."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for number in range(count):
        rgb = np.full((240, 320, 3), GREY, np.uint8)
        ids = np.zeros((240, 320), np.uint8)
        ids[:, :12] = 255
        box = (slice(60, 160 + 10 * number), slice(100, 180 + 10 * number))
        rgb[box], ids[box] = RED, 7
        Image.fromarray(rgb).save(folder / "images" / f"{number}.png")
        Image.fromarray(ids).save(folder / "masks" / f"{number}.png")
    return folder


def write_cutouts(folder: Path, count: int = 2) -> Path:
    """Green discs on nothing."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[-32:32, -32:32]
    for number in range(count):
        rgba = np.zeros((64, 64, 4), np.uint8)
        rgba[x**2 + y**2 < (20 + 4 * number) ** 2] = (30, 200, 60, 255)
        Image.fromarray(rgba).save(folder / f"{number}.png")
    return folder
