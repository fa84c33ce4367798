"""Scenes: what viewers send. Stripes, a ball that rolls, or a film from a file."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from load.picture_code import draw
from sam2_rt.data.ball_clip import BALL_ID, BALLOON_ID, SyntheticFrame, make_clip
from streamer.client import Point

MAX_PICTURES: Final = 300
"""Of a round, which is kept in memory: ten seconds of a film, 100 MB at 640x360."""

_MIDDLE: Final = Point(0.5, 0.5)
_ROUND: Final = 60
"""Pictures until the stripes are where they were."""
_SEED: Final = 2
_IN_SIGHT: Final = 40
"""First frames of that clip, in which the whole ball is seen and rolls by 150 of 640."""

Picture = NDArray[np.uint8]
"""Y, U and V below each other, [3 * height / 2, width]."""


@dataclass(frozen=True, slots=True)
class Scene(ABC):
    """What a viewer sends, and gets back. Width and height are even."""

    width: int = 640
    height: int = 360
    fps: int = 30
    output: str | None = None
    """A mode of the service; None: what it does by itself."""

    @property
    def what(self) -> str:
        """For a table."""
        sent = f"{self.width}x{self.height}@{self.fps}"
        return sent + f" {self.output}" * bool(self.output)

    @abstractmethod
    def round(self) -> Sequence[Picture]:
        """Pictures that come again and again; not to be changed."""

    def places(self, index: int, count: int) -> list[Point]:
        """On `count` things in frame `index`; here side by side, whatever is there."""
        del index
        return [Point(number / (count + 1), 0.5) for number in range(1, count + 1)]

    def frame(self, index: int) -> av.VideoFrame:
        """Number `index`, which is drawn into it (load.picture_code)."""
        pictures = self.round()
        frame = av.VideoFrame.from_ndarray(pictures[index % len(pictures)], format="yuv420p")
        draw(frame, index)
        frame.pts, frame.time_base = index, Fraction(1, self.fps)
        return frame

    async def frames(self) -> AsyncIterator[av.VideoFrame]:
        """For ever, each at its time."""
        self.round()  # made before the clock starts
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        index = 0
        while True:
            frame = self.frame(index)
            await asyncio.sleep(began_s + index / self.fps - loop.time())
            yield frame
            index += 1


@dataclass(frozen=True, slots=True)
class Pattern(Scene):
    """Stripes that drift, with some grain for the codec: there is nothing to follow."""

    def round(self) -> Sequence[Picture]:
        """See Scene."""
        return _stripes(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Ball(Scene):
    """A ball that rolls to and fro on a meadow, in sight all the time, and a balloon above."""

    def round(self) -> Sequence[Picture]:
        """See Scene."""
        return _ball_pictures(self.width, self.height)

    def places(self, index: int, count: int) -> list[Point]:
        """The ball's middle, the balloon's, then wherever."""
        things = [self._middle(index, label) for label in (BALL_ID, BALLOON_ID)]
        return [*things[:count], *Scene.places(self, index, max(0, count - len(things)))]

    def truth(self, index: int) -> NDArray[np.bool_]:
        """[height, width]: where the ball is in frame `index`."""
        return self._labels(index) == BALL_ID

    def _middle(self, index: int, label: int) -> Point:
        rows, columns = np.nonzero(self._labels(index) == label)
        return Point(float(columns.mean()) / self.width, float(rows.mean()) / self.height)

    def _labels(self, index: int) -> NDArray[np.uint8]:
        frames = _ball_clip(self.width, self.height)
        return frames[_there_and_back(index, len(frames))].labels


@dataclass(frozen=True, slots=True)
class Clip(Scene):
    """A film's first pictures, to and fro, in the size and at the pace of the scene."""

    path: Path = field(kw_only=True)
    click: Point = _MIDDLE
    """On the object of the first track, in the first picture."""

    def round(self) -> Sequence[Picture]:
        """See Scene. Raises OSError or ValueError for what is no film."""
        return _film_pictures(self.path, self.width, self.height)

    def places(self, index: int, count: int) -> list[Point]:
        """The click, then wherever."""
        return [self.click, *Scene.places(self, index, count)][:count]


def overlap(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over union of a mask on its grid with the truth on all pixels; 0 of nothing."""
    rows, columns = (
        (np.arange(cells) + 0.5) * size / cells
        for cells, size in zip(mask.shape, truth.shape, strict=True)
    )
    there = truth[rows.astype(int)[:, None], columns.astype(int)[None]]
    return float(np.sum(mask & there)) / max(1, int(np.sum(mask | there)))


def _to_and_fro(pictures: Sequence[Picture]) -> Sequence[Picture]:
    """A round without a cut."""
    return [*pictures, *reversed(pictures)]


def _there_and_back(index: int, length: int) -> int:
    index %= 2 * length
    return min(index, 2 * length - 1 - index)


@lru_cache(maxsize=4)
def _stripes(width: int, height: int) -> Sequence[Picture]:
    grain = np.random.default_rng(0).integers(0, 12, (height, width), np.uint8)
    columns, rows = np.arange(width), np.arange(height)[:, None]
    grey = np.full((height // 2, width), 128, np.uint8)
    waves = (
        110 + 70 * np.sin(columns / 40 + rows / 90 + 2 * np.pi * index / _ROUND)
        for index in range(_ROUND)
    )
    return [np.concatenate((wave.astype(np.uint8) + grain, grey)) for wave in waves]


@lru_cache(maxsize=4)
def _ball_clip(width: int, height: int) -> Sequence[SyntheticFrame]:
    return list(make_clip(_SEED, _IN_SIGHT, (width, height)))


@lru_cache(maxsize=4)
def _ball_pictures(width: int, height: int) -> Sequence[Picture]:
    frames = (av.VideoFrame.from_ndarray(f.rgb, "rgb24") for f in _ball_clip(width, height))
    return _to_and_fro([_planes(frame, width, height) for frame in frames])


@lru_cache(maxsize=4)
def _film_pictures(path: Path, width: int, height: int) -> Sequence[Picture]:
    with av.open(str(path)) as film:
        frames = islice(film.decode(video=0), MAX_PICTURES)
        pictures = [_planes(frame, width, height) for frame in frames]
    if not pictures:
        raise ValueError(f"{path} has no picture")
    return _to_and_fro(pictures)


def _planes(frame: av.VideoFrame, width: int, height: int) -> Picture:
    return frame.reformat(width, height, "yuv420p").to_ndarray().astype(np.uint8, copy=False)
