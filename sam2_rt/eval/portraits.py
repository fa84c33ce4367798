"""Portraits: one click on each of some clips without labels, and what follows, to be looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from sam2_rt.data.clip import Clip, ClipError, open_clip
from sam2_rt.data.labelled_video import Skipped
from sam2_rt.eval.follower import Begin, Picture
from sam2_rt.eval.sheet import NUM_COLUMNS, Mask, Strip, overlay
from sam2_rt.eval.suites import progress
from sam2_rt.tracking.prompt import Point, Prompt

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi"})
MIDDLE: Final = (0.5, 0.6)
"""Where a person in front of a camera most likely is: x and y, shares of the picture."""
LEGEND: Final = "pink: found     yellow: the click"

_CLICK: Final = (255, 230, 0)

Place = tuple[float, float]
"""x and y, 0..1 of the picture."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which clips are looked at, and where they are clicked."""

    clips: tuple[Path, ...]
    """Video files, folders of frames, or folders of video files."""
    clicks: Mapping[str, Place]
    """By the clip's name without suffix; the others are clicked in the MIDDLE."""
    limit: int | None = None
    """Frames of each; None: all."""

    def __post_init__(self) -> None:
        """Raises ValueError for a click on a clip that is not among them."""
        unknown = sorted(set(self.clicks) - {file.stem for file in self.files})
        if unknown:
            raise ValueError(f"no clip is called {unknown[0]}: there is nothing to click there")

    @property
    def files(self) -> list[Path]:
        """One for each clip."""
        return [file for path in self.clips for file in _files_of(path)]


def parse_clicks(texts: Sequence[str]) -> dict[str, Place]:
    """`NAME=X,Y`, shares of the picture -> places by name. Raises ValueError for what is none."""
    clicks = {}
    for text in texts:
        name, _, place = text.rpartition("=")
        try:
            x, y = map(float, place.split(","))
        except ValueError:
            x = y = -1.0
        if not name or not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError(f"{text!r} is no click: write NAME=X,Y with X and Y in 0..1")
        clicks[name] = x, y
    return clicks


def look_at(wanted: Wanted, begin: Begin) -> tuple[list[Strip], list[Skipped]]:
    """A strip for each clip, in their order; and those that cannot be read."""
    strips: list[Strip] = []
    skipped: list[Skipped] = []
    with progress() as bar:
        for file in bar.track(wanted.files, description="clips"):
            place = wanted.clicks.get(file.stem, MIDDLE)
            try:
                strips.append(_look_at_one(file, place, wanted.limit, begin))
            except ClipError as error:
                skipped.append(Skipped(file.stem, str(error)))
    return strips, skipped


def _look_at_one(file: Path, place: Place, limit: int | None, begin: Begin) -> Strip:
    clip = open_clip(file)
    num_frames = _length(clip, limit)
    shown = set(np.linspace(0, num_frames - 1, NUM_COLUMNS).round().astype(int).tolist())
    follower = begin(1)
    prompts = [Prompt(1, points=(Point(*place, is_positive=True),))]
    tiles, areas = [], []
    for frame in islice(clip, num_frames):
        mask = follower.step(frame.rgb, prompts if frame.index == 0 else ())[0]
        areas.append(float(mask.mean()))
        if frame.index in shown:
            clicked = place if frame.index == 0 else None
            tiles.append((str(frame.index), _tile(frame.rgb, mask, clicked)))
    seen = np.count_nonzero(areas) / len(areas)
    label = (
        file.stem,
        f"click {place[0]:.2f}, {place[1]:.2f}",
        f"mask in {seen:.0%}",
        f"area {np.median(areas):.0%}",
    )
    return Strip(seen, label, tuple(tiles))


def _tile(rgb: Picture, mask: Mask, clicked: Place | None) -> Picture:
    tile = overlay(rgb, np.zeros_like(mask), mask)
    if clicked is not None:
        height, width = tile.shape[:2]
        at = (round(clicked[0] * (width - 1)), round(clicked[1] * (height - 1)))
        cv2.circle(tile, at, 5, _CLICK, -1)
    return tile


def _length(clip: Clip, limit: int | None) -> int:
    length = clip.num_frames
    if length is None:  # the file does not say
        length = sum(1 for _ in islice(clip, limit))
    return min(length, limit or length)


def _files_of(path: Path) -> Iterator[Path]:
    """The videos of a folder; any other path is a clip itself."""
    videos = (
        sorted(f for f in path.iterdir() if f.suffix.lower() in VIDEO_SUFFIXES)
        if path.is_dir()
        else []
    )
    yield from videos or [path]
