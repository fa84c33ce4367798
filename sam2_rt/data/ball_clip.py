"""Procedural clips with exact labels: a ball that rolls behind a stone, and a balloon in the sky.

Lengths are in units of the frame's height and times in frames, unless a name says otherwise.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2_rt.data.scenery import HORIZON, PAN, Scenery, make_scenery, to_image

BALL_ID: Final = 1
BALLOON_ID: Final = 2

_SKY_PARALLAX: Final = 0.4

Field = NDArray[np.floating]
Stripes = tuple[tuple[int, int, int], ...]
Corner = tuple[int, int]
"""Column and row of the frame, maybe outside of it."""

# Of the ball and of the balloon: RGB.
_STRIPES: Final[tuple[Stripes, ...]] = (
    ((226, 62, 52), (246, 240, 226), (44, 110, 190), (246, 240, 226), (250, 190, 50)),
    ((240, 130, 40), (252, 244, 230), (40, 150, 140), (252, 244, 230), (120, 70, 150)),
    ((215, 50, 100), (250, 240, 235), (60, 170, 90), (250, 240, 235), (50, 90, 190)),
)


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticFrame:
    """One picture and its truth."""

    index: int
    name: str
    rgb: NDArray[np.uint8]
    """[H, W, 3]"""
    labels: NDArray[np.uint8]
    """[H, W]: BALL_ID, BALLOON_ID or 0 for all else, by what is seen at the pixel's centre."""


@dataclass(frozen=True, slots=True)
class _Motion:
    """Where things are at a time; sums of sines, so that a clip of any length goes on."""

    ball_phase: float
    ball_period: float
    balloon_phase: float
    stone: float
    """Its middle, in the world's x: 0 is the middle of the frame while the camera looks ahead."""
    reach: float
    """How far the ball rolls to either side of the frame's middle."""

    def camera(self, time: float) -> float:
        return PAN * math.sin(2 * math.pi * time / 240 + self.balloon_phase)

    def ball(self, time: float) -> float:
        return -self.reach * math.cos(2 * math.pi * time / self.ball_period + self.ball_phase)

    def balloon(self, time: float) -> tuple[float, float]:
        angle = 2 * math.pi * time / 300 + self.balloon_phase
        return 0.7 * self.reach * math.cos(angle), 0.22 + 0.03 * math.sin(3 * angle)


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticClip:
    """A clip drawn as it is iterated, frame by frame; the same each time."""

    num_frames: int
    size: tuple[int, int]
    """Width and height in pixels."""
    scenery: Scenery
    motion: _Motion
    ball_stripes: Stripes
    balloon_stripes: Stripes
    fps: float = 30.0

    def __iter__(self) -> Iterator[SyntheticFrame]:
        for index in range(self.num_frames):
            canvas = _Canvas(self.size, self.motion.camera(index))
            canvas.draw_background(self.scenery)
            canvas.draw_balloon(self.motion.balloon(index), index, self.balloon_stripes)
            canvas.draw_ball(self.motion.ball(index), index, self.ball_stripes)
            canvas.draw_stone(self.scenery.stone, self.motion.stone)
            yield SyntheticFrame(index, f"{index:05d}", np.array(canvas.picture), canvas.labels)


def make_clip(
    seed: int = 0, num_frames: int = 90, size: tuple[int, int] = (640, 360)
) -> SyntheticClip:
    """A clip of two objects, of which the ball passes behind a stone; decided by the seed alone."""
    random = np.random.default_rng(seed)
    width, height = size
    aspect = width / height
    motion = _Motion(
        ball_phase=random.uniform(-0.25, 0.25) + math.pi * random.integers(2),
        ball_period=random.uniform(170, 200),
        balloon_phase=random.uniform(0, 2 * math.pi),
        stone=random.uniform(-0.15, 0.15) * aspect,
        reach=0.36 * aspect,
    )
    scenery = make_scenery(random, size)
    ball, balloon = random.choice(len(_STRIPES), 2, replace=False)
    return SyntheticClip(num_frames, size, scenery, motion, _STRIPES[ball], _STRIPES[balloon])


class _Canvas:
    """One frame in the making: a picture and its labels, painted back to front."""

    def __init__(self, size: tuple[int, int], camera: float) -> None:
        self.size = size
        self.height = size[1]
        self.camera = camera
        self.picture = Image.new("RGB", size)
        self.labels = np.zeros((size[1], size[0]), np.uint8)

    def to_pixel(self, x: float) -> float:
        """The world's x -> column of the frame."""
        return self.size[0] / 2 + (x - self.camera) * self.height

    def draw_background(self, scenery: Scenery) -> None:
        width, height = self.size
        left = (PAN + self.camera * _SKY_PARALLAX) * height
        box = (left, 0, left + width, height)
        self.picture = scenery.sky.resize(self.size, Image.Resampling.BILINEAR, box)
        rows = scenery.meadow.height
        left = (PAN + self.camera) * height
        meadow = scenery.meadow.resize(
            (width, rows), Image.Resampling.BILINEAR, (left, 0, left + width, rows)
        )
        self.picture.paste(meadow, (0, height - rows), meadow)

    def draw_balloon(self, at: tuple[float, float], time: float, stripes: Stripes) -> None:
        radius = 0.14 * self.height
        middle = (self.to_pixel(at[0]), at[1] * self.height)
        x, y, corner = self._window(middle, (1.3 * radius, 1.6 * radius))
        x, y = x / radius, y / radius
        x = x + 0.10 * y * np.float32(math.sin(time / 17))  # sways
        breath = 1 + 0.05 * np.sin(3 * y + np.float32(time / 6))
        half = _balloon_half_width(y) * breath
        across = np.clip(x / np.maximum(half, 1e-3), -1, 1)
        gore = ((np.arcsin(across) / np.pi + 0.5) * 6.99).astype(np.int64)
        colour = np.array(stripes, np.float32)[gore % len(stripes)]
        colour[y > 1.22] = (96, 66, 44)  # the basket
        light = 1.05 - 0.35 * across**2 - 0.12 * y + 0.15 * across
        self._paint(colour * light[..., None], (half - np.abs(x)) * radius, corner, BALLOON_ID)

    def draw_ball(self, at: float, time: float, stripes: Stripes) -> None:
        radius = 0.125 * self.height
        hop = abs(math.sin(time / 11))
        squash = 0.10 * (1 - min(1.0, 4 * hop)) - 0.03 * min(1.0, 4 * hop)
        ground = (HORIZON + 0.20) * self.height
        middle = (self.to_pixel(at), ground - radius * (1 - squash) - 0.10 * self.height * hop)
        self._draw_shadow((middle[0], ground), radius * (1.1 - 0.3 * hop))
        x, y, corner = self._window(middle, (1.15 * radius, 1.15 * radius))
        x, y = x / (radius * (1 + squash)), y / (radius * (1 - squash))
        distance = np.hypot(x, y)
        z = np.sqrt(np.maximum(0, 1 - distance**2))
        colour = _beach_ball(x, y, z, roll=at * self.height / radius, stripes=stripes)
        light = 0.62 + 0.45 * np.maximum(0, -0.5 * x - 0.6 * y + 0.62 * z)
        colour = colour * light[..., None] + 120 * (np.maximum(0, light - 0.98) * 6)[..., None] ** 2
        self._paint(colour, (1 - distance) * radius, corner, BALL_ID)

    def draw_stone(self, stone: Image.Image, at: float) -> None:
        foot = round((HORIZON + 0.28) * self.height)
        self._draw_shadow((self.to_pixel(at), foot - 0.03 * self.height), 0.75 * stone.width)
        left = self.to_pixel(at) - stone.width / 2
        column, rest = math.floor(left), left - math.floor(left)
        box = (1 - rest, 0, stone.width - rest, stone.height)
        moved = stone.resize((stone.width - 1, stone.height), Image.Resampling.BILINEAR, box)
        corner = (column + 1, foot - stone.height)
        self.picture.paste(moved, corner, moved)
        seen = np.array(moved.getchannel("A")) >= 128
        rows, columns, inside = self._clip(corner, seen.shape)
        self.labels[rows, columns][seen[inside]] = 0

    def _window(
        self, middle: tuple[float, float], half: tuple[float, float]
    ) -> tuple[Field, Field, Corner]:
        """Offsets from the middle, [2h, 2w] each: four samples a pixel smooth what is drawn."""
        corner = (math.floor(middle[0] - half[0]), math.floor(middle[1] - half[1]))
        x, y = (
            (np.arange(2 * (math.ceil(2 * half[axis]) + 1), dtype=np.float32) + 0.5) / 2
            + np.float32(corner[axis] - middle[axis])
            for axis in (0, 1)
        )
        grid_x, grid_y = np.meshgrid(x, y)
        return grid_x, grid_y, corner

    def _paint(self, colour: Field, depth: Field, corner: Corner, label: int) -> None:
        """Colour [2h, 2w, 3] where depth [2h, 2w], pixels within the outline, is positive."""
        rows, columns = depth.shape
        depth = depth.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
        alpha = Image.fromarray((np.clip(depth + 0.5, 0, 1) * 255).astype(np.uint8))
        self.picture.paste(to_image(colour).reduce(2), corner, alpha)
        y, x, inside = self._clip(corner, depth.shape)
        self.labels[y, x][depth[inside] > 0] = label

    def _draw_shadow(self, middle: tuple[float, float], half: float) -> None:
        x, y, corner = self._window(middle, (half, half / 4))
        strength = np.clip(1 - np.hypot(x, 4 * y) / half, 0, 1)
        alpha = Image.fromarray((170 * strength**0.7).astype(np.uint8)).reduce(2)
        self.picture.paste((18, 22, 20), corner, alpha)

    def _clip(
        self, corner: Corner, shape: tuple[int, ...]
    ) -> tuple[slice, slice, tuple[slice, slice]]:
        """The part of the frame under a window, rows and columns, and that part of the window."""
        left, top = corner
        x0, x1 = max(0, left), max(0, min(self.size[0], left + shape[1]))
        y0, y1 = max(0, top), max(0, min(self.height, top + shape[0]))
        x0, y0 = min(x0, x1), min(y0, y1)
        inside = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        return slice(y0, y1), slice(x0, x1), inside


def _balloon_half_width(y: Field) -> Field:
    """Outline of a hot-air balloon and its basket at heights y in radii; negative outside."""
    envelope = np.linspace(-1, 0.35, 40)
    heights = np.concatenate((envelope, [1.12, 1.221, 1.222, 1.55, 1.56]))
    widths = np.concatenate((np.sqrt(1 - envelope**2), [0.34, 0.30, 0.22, 0.20, -1.0]))
    return np.interp(y, heights, widths, left=-1, right=-1).astype(np.float32)


def _beach_ball(x: Field, y: Field, z: Field, roll: float, stripes: Stripes) -> Field:
    """Wedges about a pole that leans towards the viewer and turns as the ball rolls."""
    turned_x = x * math.cos(roll) + y * math.sin(roll)
    turned_y = y * math.cos(roll) - x * math.sin(roll)
    lean = 0.9
    pole = turned_y * math.sin(lean) + z * math.cos(lean)
    around = np.arctan2(turned_y * math.cos(lean) - z * math.sin(lean), turned_x)
    wedge = ((around / (2 * np.pi) + 0.5) * (2 * len(stripes) - 0.01)).astype(np.int64)
    colour = np.array(stripes, np.float32)[wedge % len(stripes)]
    colour[np.abs(pole) > 0.95] = (250, 250, 246)
    return colour
