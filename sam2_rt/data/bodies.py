"""BodyMaker: endless made-up clips of solid bodies in 3D with exact masks, from a seed each."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.sample import Sample
from sam2_rt.data.scenes.camera import draw_aspect
from sam2_rt.data.scenes.degrade import degrade, draw_flaws
from sam2_rt.data.scenes.photos import SkippedPicture, photo_bank
from sam2_rt.data.worlds.eye import Path as CameraPath
from sam2_rt.data.worlds.eye import draw_shot, film
from sam2_rt.data.worlds.library import load_mujoco
from sam2_rt.data.worlds.stage import Play, World, draw_world, play
from sam2_rt.data.worlds.studio import Segments, Set, Studio

MAX_MASKLETS: Final = 4
"""Of one sample."""
MIN_AREA: Final = 0.004
"""Share of the first frame that a masklet covers at least, so that it can be prompted there."""
MAX_AREA: Final = 0.6
"""And at most: a body that fills the picture is no object."""

_MAX_WORLDS: Final = 32
"""A world in which no camera sees a body is drawn anew; this many in a row do not happen."""
_MAX_SHOTS: Final = 4
"""Cameras that are tried in one world."""
_PART: Final = 0.4  # how often a masklet is a part of a body
_MAX_PART: Final = 0.85  # of its whole's pixels; above that nobody could tell them apart
_PACES_S: Final = (1 / 60, 1 / 6)


class BodyMaker:
    """Makes samples. One a process; needs MuJoCo and a way to draw off screen."""

    def __init__(self, size: int = 256, texture_folders: tuple[Path, ...] = ()) -> None:
        """Raises NoRenderer where there is no MuJoCo, FileNotFoundError for a missing folder."""
        self.size = size
        self._photos = photo_bank(texture_folders)
        self._mujoco = load_mujoco()
        self._studio = Studio(self._mujoco, size)
        # Makers run side by side in processes of their own.
        cv2.setNumThreads(1)

    @property
    def skipped(self) -> tuple[SkippedPicture, ...]:
        """Pictures that could not be used, as far as they were drawn yet."""
        return self._photos.skipped

    def make(self, seed: int, num_frames: int = 8) -> Sample:
        """One to four bodies or parts of bodies over num_frames frames.

        The same seed, size and folders give the same arrays, in any process of one machine.
        Every masklet is seen in the first frame.
        """
        for attempt in range(_MAX_WORLDS):
            rng = np.random.default_rng((seed, attempt))
            world = draw_world(self._mujoco, rng, self._photos)
            frame_s = float(np.exp(rng.uniform(*np.log(_PACES_S))))
            action = play(self._mujoco, rng, world, num_frames, frame_s)
            with self._studio.open(world.model, draw_aspect(rng)) as built:
                for _ in range(_MAX_SHOTS):
                    path = _place_camera(rng, action, frame_s)
                    built.place(action.poses[0], path, 0)
                    things = _choose(rng, world, built.segments())
                    if things:
                        return _record(rng, built, action, path, things)
        raise AssertionError(f"seed {seed} gives no world with a body in sight")


def _place_camera(rng: Generator, action: Play, frame_s: float) -> CameraPath:
    subject = int(rng.integers(action.places.shape[1]))
    shot = draw_shot(rng, float(action.radii[subject]))
    return film(rng, shot, action.places[:, subject], frame_s)


def _choose(rng: Generator, world: World, segments: Segments) -> list[tuple[int, ...]]:
    """Bodies and parts of them that are well seen, as the geoms that they are made of."""
    areas = np.bincount(segments.ravel() + 1, minlength=world.model.ngeom + 1)[1:] / segments.size
    wholes, parts = [], []
    for actor, geoms in zip(world.actors, world.geoms, strict=True):
        area = float(areas[list(geoms)].sum())
        if area > MAX_AREA:
            return []
        if area < MIN_AREA:
            continue
        wholes.append(geoms)
        for limb in range(len(geoms)):
            part = tuple(geoms[index] for index in actor.figure.below(limb))
            share = float(areas[list(part)].sum())
            if MIN_AREA <= share <= _MAX_PART * area:
                parts.append(part)
    chosen: list[tuple[int, ...]] = []
    while len(chosen) < MAX_MASKLETS and (wholes or parts):
        pool = parts if parts and (not wholes or rng.random() < _PART) else wholes
        chosen.append(pool.pop(int(rng.integers(len(pool)))))
    return chosen


def _record(
    rng: Generator,
    built: Set,
    action: Play,
    path: CameraPath,
    things: list[tuple[int, ...]],
) -> Sample:
    flaws = draw_flaws(rng, 1.0)
    frames, masks = [], []
    for index, pose in enumerate(action.poses):
        built.place(pose, path, index)
        segments = built.segments()
        picture = soften_edges(built.picture(), segments)
        frames.append(degrade(picture, flaws, index))
        masks.append([np.isin(segments, thing) for thing in things])
    return Sample(np.stack(frames), np.array(masks).swapaxes(0, 1))


def soften_edges(picture: NDArray[np.uint8], segments: Segments) -> NDArray[np.uint8]:
    """Mixes colours where another geom begins, as a lens does, [H, W, 3].

    The renderer's own way, four samples a pixel, would double its time on the CPU.
    """
    edges = np.zeros(segments.shape, np.bool_)
    across = segments[:, 1:] != segments[:, :-1]
    down = segments[1:] != segments[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    soft = cv2.GaussianBlur(picture, (3, 3), 0.7)
    return np.where(edges[..., None], soft, picture)
