"""Annotated photographs as they are: a window that rests on one, or moves over it."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.affine import Matrices, move, scale, turn
from sam2_rt.data.scenes.camera import draw_aspect
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.degrade import draw_flaws
from sam2_rt.data.scenes.layered import Format
from sam2_rt.data.scenes.motion import MAX_STEP, draw_pace
from sam2_rt.data.scenes.photos import LabelledObject, Photo
from sam2_rt.data.scenes.scene import Backdrop, Scene

_SHARE: Final = (0.28, 0.95)
"""Of the window that the longer side of the object's box takes."""


def draw_whole_photo(rng: Generator, cast: Cast, form: Format) -> Scene | None:
    """A window on a photograph around one of its objects; None if there are no photographs."""
    photo = cast.masked.draw(rng)
    if photo is None:
        return None
    if rng.random() < 0.5:
        photo = _mirror(photo)
    assert photo.ids is not None, "a masked photograph without ids"
    return Scene(
        num_frames=form.num_frames,
        size=form.size,
        backdrop=_draw_window(rng, photo, form),
        layers=(),
        things=tuple(frozenset((one.label,)) for one in photo.objects),
        flaws=draw_flaws(rng, form.difficulty),
    )


def _draw_window(rng: Generator, photo: Photo, form: Format) -> Backdrop:
    height, width = photo.rgb.shape[:2]
    one = _choose(rng, photo)
    aspect = draw_aspect(rng)
    squeeze = np.array((math.sqrt(aspect), 1 / math.sqrt(aspect)))
    x0, y0, x1, y1 = one.box
    extent = max((x1 - x0) / squeeze[0], (y1 - y0) / squeeze[1])
    # The largest window of this aspect that the photograph holds.
    most = min(width / squeeze[0], height / squeeze[1])
    side = min(extent / rng.uniform(*_SHARE), most)
    middle = np.array(((x0 + x1) / 2, (y0 + y1) / 2)) + rng.normal(0, 0.12, 2) * side
    path, sides = _move_window(rng, (middle, side, most), squeeze, (width, height), form)
    roll = rng.normal(0, 0.06) + rng.normal(0, 0.1) * np.linspace(0, 1, form.num_frames) * (
        form.num_frames > 1
    )
    lens = scale(form.size / sides / squeeze[0], form.size / sides / squeeze[1])
    half = move((form.size / 2, form.size / 2))
    matrices: Matrices = half @ lens @ turn(-roll) @ move(-path)
    return _shrink(Backdrop(photo.rgb, matrices, photo.ids), float(sides.min()) / form.size)


def _move_window(
    rng: Generator,
    first: tuple[NDArray[np.float64], float, float],
    squeeze: NDArray[np.float64],
    photo_size: tuple[int, int],
    form: Format,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles [T, 2] and sides [T] of the window, within the photograph."""
    middle, side, most = first
    steps = form.num_frames - 1
    time = np.linspace(0, 1, form.num_frames)
    pace = draw_pace(rng, form.difficulty)
    reach = min(max(pace, rng.random() * MAX_STEP * (rng.random() < 0.6)) * steps, 0.9)
    growth = rng.uniform(-0.7, 0.7) * min(reach, 0.7)
    sides = np.minimum(side * np.exp(growth * time), most)
    way = rng.uniform(0, 2 * math.pi)
    course = reach * side * squeeze * (math.cos(way), math.sin(way))
    shake = rng.normal(0, 0.2 * min(pace, 0.03), (form.num_frames, 2)) * side
    half = sides[:, None] * squeeze / 2
    low, high = half, np.maximum(np.array(photo_size) - half, half)
    start = np.clip(middle, low[0], high[0])
    # Where there is no room on this side there may be on the other.
    ahead = np.clip(start + course, low[-1], high[-1])
    behind = np.clip(start - course, low[-1], high[-1])
    further = np.abs(ahead - start).sum() > np.abs(behind - start).sum()
    end = ahead if further else behind
    return np.clip(start + (end - start) * time[:, None] + shake, low, high), sides


def _choose(rng: Generator, photo: Photo) -> LabelledObject:
    """Large ones likelier, as small ones are mush."""
    weights = np.array([one.area for one in photo.objects]) ** 0.6
    return photo.objects[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _mirror(photo: Photo) -> Photo:
    assert photo.ids is not None, "a masked photograph without ids"
    width = photo.ids.shape[1]
    objects = tuple(
        LabelledObject(
            one.label,
            one.area,
            (width - one.box[2], one.box[1], width - one.box[0], one.box[3]),
            one.border,
        )
        for one in photo.objects
    )
    flipped = np.ascontiguousarray(photo.ids[:, ::-1])
    return Photo(np.ascontiguousarray(photo.rgb[:, ::-1]), flipped, objects)


def _shrink(backdrop: Backdrop, factor: float) -> Backdrop:
    """Made smaller beforehand when it would be shrunk in every frame, as that would alias."""
    if factor < 1.3:
        return backdrop
    height, width = backdrop.rgb.shape[:2]
    size = (round(width / factor), round(height / factor))
    rgb = cv2.resize(backdrop.rgb, size, interpolation=cv2.INTER_AREA)
    grown = scale(width / size[0], height / size[1])
    # Pixel centres: the grid of the small picture is that of the large one, cell by cell.
    centre = move((0.5, 0.5))
    matrices: Matrices = backdrop.matrices @ np.linalg.inv(centre) @ grown @ centre
    ids = None
    if backdrop.ids is not None:
        ids = cv2.resize(backdrop.ids, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return Backdrop(rgb, matrices, ids)
