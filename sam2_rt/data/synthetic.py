"""SceneMaker: endless made-up clips with exact masks, from a seed each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.sample import Sample
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.compose import draw_frame, mask_of
from sam2_rt.data.scenes.layered import draw_layered, draw_portrait
from sam2_rt.data.scenes.photos import (
    IGNORED_ID,
    SkippedPicture,
    cutout_bank,
    masked_bank,
    photo_bank,
)
from sam2_rt.data.scenes.scene import Format, Scene
from sam2_rt.data.scenes.whole_photo import draw_whole_photo

MAX_MASKLETS: Final = 4
"""Of one sample."""
MIN_AREA: Final = 0.004
"""Share of the first frame that a masklet covers at least, so that it can be prompted there."""
MIN_AREA_EASY: Final = 0.015
"""The same at difficulty 0."""
MAX_AREA: Final = 0.7
"""And at most: what fills the picture is no object."""

_MAX_SCENES: Final = 64
"""A scene whose first frame shows no object is drawn anew; this many in a row do not happen."""


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """What clips are made of and how large they are; every folder is optional."""

    size: int = 256
    """Side of the square frames, pixels."""
    num_frames: int = 8
    photo_folders: tuple[Path, ...] = ()
    """Photographs without masks, searched recursively."""
    mask_folders: tuple[Path, ...] = ()
    """Each with images/ and masks/: PNGs of ids, 0 unknown or background, 255 ignored."""
    cutout_folders: tuple[Path, ...] = ()
    """RGBA PNGs, searched recursively."""
    difficulty: float = 1.0
    """0: few, large, slow objects; 1: everything."""


class SceneMaker:
    """Makes samples; holds the pictures that were read last. One a process."""

    def __init__(self, config: SceneConfig) -> None:
        """Lists the folders. Raises FileNotFoundError for one that is missing or has no picture."""
        self.config = config
        self._cast = Cast(
            photo_bank(config.photo_folders),
            masked_bank(config.mask_folders),
            cutout_bank(config.cutout_folders),
        )
        # Makers run side by side in processes of their own.
        cv2.setNumThreads(1)

    @property
    def skipped(self) -> tuple[SkippedPicture, ...]:
        """Pictures that could not be used, as far as they were drawn yet."""
        cast = self._cast
        return cast.photos.skipped + cast.masked.skipped + cast.cutouts.skipped

    def make(self, seed: int, num_frames: int | None = None) -> Sample:
        """One to four objects over num_frames (config.num_frames if None) frames.

        The same seed, config and folders give the same arrays, in any process.
        Every masklet is seen in the first frame.
        """
        config = self.config
        form = Format(num_frames or config.num_frames, config.size, config.difficulty)
        for attempt in range(_MAX_SCENES):
            rng = np.random.default_rng((seed, attempt))
            scene = self._draw_scene(rng, form)
            first = draw_frame(scene, 0)
            things = choose_things(rng, scene, first[1])
            if things:
                return _record(scene, first, things)
        raise AssertionError(f"seed {seed} gives no scene with an object")

    def _draw_scene(self, rng: Generator, form: Format) -> Scene:
        """Whole photographs for most stills and a third of the clips; else layers."""
        kind = rng.random()
        scene = None
        if kind < (0.6 if form.num_frames == 1 else 0.33):
            scene = draw_whole_photo(rng, self._cast, form)
        elif kind > (0.76 if form.num_frames == 1 else 0.82):  # webcams are what many will try
            scene = draw_portrait(rng, self._cast, form)
        return scene or draw_layered(rng, self._cast, form)


def choose_things(rng: Generator, scene: Scene, owners: NDArray[np.uint16]) -> list[frozenset[int]]:
    """At most four of what is well seen in the first frame [S, S]; larger things likelier."""
    least = MIN_AREA_EASY + (MIN_AREA - MIN_AREA_EASY) * scene.form.difficulty
    areas = np.bincount(owners.ravel(), minlength=512) / owners.size
    shares = np.array([areas[list(thing)].sum() for thing in scene.things])
    seen = np.flatnonzero((shares >= least) & (shares <= MAX_AREA))
    # By exponential clocks: an order in which each is first with a chance by its weight.
    clocks = rng.exponential(size=seen.size) / shares[seen] ** 0.6
    chosen: list[frozenset[int]] = []
    for index in seen[np.argsort(clocks)]:
        if len(chosen) < MAX_MASKLETS and _is_solid(mask_of(owners, scene.things[index])):
            chosen.append(scene.things[index])
    return chosen


def _is_solid(mask: NDArray[np.bool_]) -> bool:
    """More than slivers that something in front has left over."""
    inner = cv2.erode(mask.view(np.uint8), np.ones((5, 5), np.uint8))
    return int(inner.sum()) > 0.2 * int(mask.sum())


def _record(
    scene: Scene,
    first: tuple[NDArray[np.uint8], NDArray[np.uint16]],
    things: list[frozenset[int]],
) -> Sample:
    drawn = [first, *(draw_frame(scene, index) for index in range(1, scene.form.num_frames))]
    owners = [owner for _, owner in drawn]
    masklets = np.stack([np.stack([mask_of(owner, thing) for owner in owners]) for thing in things])
    ignored = np.stack(owners) == IGNORED_ID if scene.backdrop.ids is not None else None
    return Sample(np.stack([frame for frame, _ in drawn]), masklets, ignored)
