"""Layered scenes: sprites with courses of their own over a background."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, move, scale
from sam2_rt.data.scenes.camera import Camera, draw_camera
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.degrade import draw_flaws
from sam2_rt.data.scenes.motion import draw_motion, draw_pace
from sam2_rt.data.scenes.scene import FIRST_LAYER, Backdrop, Layer, Scene


@dataclass(frozen=True, slots=True)
class Format:
    """Of the clip to make."""

    num_frames: int
    size: int
    difficulty: float


def draw_layered(rng: Generator, cast: Cast, form: Format) -> Scene:
    """Two to eight sprites, fewer and larger ones in easy scenes."""
    pace = draw_pace(rng, form.difficulty)
    camera = draw_camera(rng, form.num_frames, form.size, pace)
    background = cast.background(rng)
    layers: list[Layer] = []
    for _ in range(2 + int(rng.integers(0, 2 + round(5 * form.difficulty)))):
        layers += _draw_layers(rng, cast, form, camera, background, pace)
    return Scene(
        num_frames=form.num_frames,
        size=form.size,
        backdrop=Backdrop(background, place_backdrop(camera, background.shape)),
        layers=tuple(layers),
        things=tuple(frozenset((FIRST_LAYER + number,)) for number in range(len(layers))),
        flaws=draw_flaws(rng, form.difficulty),
    )


def place_backdrop(camera: Camera, shape: tuple[int, ...]) -> Matrices:
    """From the pixels of a picture [H, W, 3] that covers all that the camera sees."""
    height, width = shape[:2]
    x0, y0, x1, y1 = camera.seen_world()
    factor = max((x1 - x0) / width, (y1 - y0) / height)
    laid = move(((x0 + x1) / 2, (y0 + y1) / 2)) @ scale(factor) @ move((-width / 2, -height / 2))
    matrices: Matrices = camera.matrices() @ laid
    return matrices


def _draw_layers(
    rng: Generator,
    cast: Cast,
    form: Format,
    camera: Camera,
    background: NDArray[np.uint8],
    pace: float,
) -> list[Layer]:
    """A sprite, and sometimes a second that looks the same."""
    size = draw_size(rng, form.difficulty)
    sprite = cast.sprite(rng, size * form.size * 1.3, background)
    nearness = rng.uniform(1.0, 1.5)
    layers = []
    for _ in range(1 + int(rng.random() < 0.15)):
        leave = bool(rng.random() < 0.6)
        motion = draw_motion(rng, form.num_frames, size, pace, leave=leave)
        layers.append(Layer(sprite, camera.matrices(nearness) @ motion.matrices(sprite.size)))
    return layers


def draw_size(rng: Generator, difficulty: float) -> float:
    """Of a sprite's longer side, as a share of the frame's."""
    smallest = 0.32 - 0.18 * difficulty
    return float(smallest + (0.85 - smallest) * rng.beta(1.2, 2.2))
