"""Window: the part of an annotated photograph that a clip shows, and how it moves over it."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, move, scale
from sam2_rt.data.scenes.camera import Camera, draw_aspect
from sam2_rt.data.scenes.motion import Points, Tempo, ease
from sam2_rt.data.scenes.photos import LabelledObject, Photo
from sam2_rt.data.scenes.scene import Backdrop, Format

MIN_SIDE: Final = 110.0
"""Smaller windows would show mush, pixels of the photograph."""

_SHARE: Final = (0.25, 0.95)
"""Of the window that the longer side of the object's box takes."""
_SHARE_LEAVING: Final = (0.2, 0.5)
"""The same where the object is to leave its first place."""


@dataclass(frozen=True, slots=True)
class Window:
    """A camera over a photograph that lies in the world."""

    camera: Camera
    lay: Matrices
    """[1, 3, 3], from the photograph's pixels to the world"""

    def backdrop(self, photo: Photo) -> Backdrop:
        """The photograph as it is seen; made smaller at once if it is in every frame."""
        matrices: Matrices = self.camera.matrices() @ self.lay
        grain = 1 / np.sqrt(np.abs(np.linalg.det(matrices[:, :2, :2]))).min()
        return _shrink(Backdrop(photo.rgb, matrices, photo.ids), float(grain))


def draw_window(rng: Generator, photo: Photo, form: Format, tempo: Tempo) -> Window:
    """Around one object; if it leaves, the window moves off it as far as there is room."""
    one = _choose(rng, photo)
    aspect = draw_aspect(rng)
    squeeze = np.array((math.sqrt(aspect), 1 / math.sqrt(aspect)))
    extent = np.array((one.box[2] - one.box[0], one.box[3] - one.box[1])) / squeeze
    room = np.array(photo.rgb.shape[1::-1]) / squeeze
    leaves = tempo.leaves(rng)
    share = rng.uniform(*(_SHARE_LEAVING if leaves else _SHARE))
    most = room.min() * (0.7 if leaves else 1.0)
    side = min(max(float(extent.max()) / share, MIN_SIDE), float(most))
    middle = (np.array(one.box[:2]) + one.box[2:]) / 2 / squeeze
    steps = form.num_frames - 1
    reach = min(tempo.pace * steps, 0.9) * side
    if leaves:
        reach = min(max(reach, extent.max() * rng.uniform(1.0, 1.4)), tempo.most * steps * side)
    start = _keep_inside(middle + rng.normal(0, 0.12, 2) * side, side, room)
    end = _far_end(rng, start, reach, side, room)
    time = ease(rng, np.linspace(0, 1, form.num_frames)) if steps else np.zeros(1)
    sides = np.minimum(
        side * np.exp(rng.uniform(-0.5, 0.5) * min(reach / side, 0.7) * time), room.min()
    )
    shake = rng.normal(0, 0.15 * min(tempo.pace, 0.03), (form.num_frames, 2)) * side
    path = _keep_inside(start + (end - start) * time[:, None] + shake, sides[:, None], room)
    roll = rng.normal(0, 0.05) + rng.normal(0, 0.08) * time
    place = (path - path[0]) / side * squeeze
    camera = Camera(form.size, aspect, place, side / sides, roll)
    lay: Matrices = scale(1 / side) @ move(-path[0] * squeeze)
    return Window(camera, lay)


def _far_end(
    rng: Generator, start: Points, reach: float, side: float, room: NDArray[np.float64]
) -> Points:
    """The best of a few ways: where the photograph leaves room for all of the reach."""
    ways = rng.uniform(0, 2 * math.pi, 5)
    ends = start + reach * np.stack((np.cos(ways), np.sin(ways)), 1)
    ends = _keep_inside(ends, side, room)
    return np.asarray(ends[int(np.linalg.norm(ends - start, axis=1).argmax())])


def _keep_inside(
    middles: Points, side: float | NDArray[np.float64], room: NDArray[np.float64]
) -> Points:
    half = np.asarray(side) / 2
    return np.asarray(np.clip(middles, half, np.maximum(room - half, half)))


def _choose(rng: Generator, photo: Photo) -> LabelledObject:
    """Large ones likelier, as small ones are mush."""
    weights = np.array([one.area for one in photo.objects]) ** 0.8
    return photo.objects[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _shrink(backdrop: Backdrop, grain: float) -> Backdrop:
    """Made smaller if each pixel of a frame covers `grain` of its own: that would alias."""
    if grain < 1.25:
        return backdrop
    height, width = backdrop.rgb.shape[:2]
    size = (round(width / grain), round(height / grain))
    rgb = cv2.resize(backdrop.rgb, size, interpolation=cv2.INTER_AREA)
    # A pixel's middle has whole coordinates, so the grids' corners are half a pixel off.
    grown = move((-0.5, -0.5)) @ scale(width / size[0], height / size[1]) @ move((0.5, 0.5))
    matrices: Matrices = backdrop.matrices @ grown
    ids = None
    if backdrop.ids is not None:
        small = cv2.resize(backdrop.ids, size, interpolation=cv2.INTER_NEAREST_EXACT)
        ids = np.asarray(small, np.uint8)
    return Backdrop(np.asarray(rgb, np.uint8), matrices, ids)
