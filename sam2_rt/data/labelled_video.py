"""LabelledVideo: a recorded video with masks of its objects; Dataset: a folder of them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MAX_REASON_CHARACTERS = 400
"""Of a Skipped, whose reason may quote a broken file."""


class LabelledVideo(Protocol):
    """Frames and masks, read from disk when they are asked for; opening one decodes no video.

    Whatever turns out to be broken in the middle raises ClipError, which names the file.
    """

    @property
    def name(self) -> str:
        """Unique within its Dataset."""

    @property
    def num_frames(self) -> int:
        """At least 1."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, the same for each frame and mask."""

    @property
    def annotated(self) -> tuple[int, ...]:
        """Indices of the frames that have masks, ascending; at least one."""

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Of every annotated object, ascending; at least one."""

    def frame(self, index: int) -> NDArray[np.uint8]:
        """[H, W, 3], RGB"""

    def masks(self, index: int) -> dict[int, NDArray[np.bool_]]:
        """Of an annotated frame: object id -> [H, W] for every object id; absent: all False."""

    def ignored(self, index: int) -> NDArray[np.bool_] | None:
        """Of an annotated frame: [H, W], True where nobody knows; None: all is known."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Data that cannot be used, and why: told and counted, never fatal for the rest."""

    name: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason[:MAX_REASON_CHARACTERS])

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """The videos of a folder that can be used, in the order of their names, and the others."""

    layout: str
    """How the folder is laid out: shared, DAVIS, MOSE, YouTube-VOS or SA-V."""
    videos: tuple[LabelledVideo, ...]
    skipped: tuple[Skipped, ...]

    def at_least(self, num_annotated: int) -> "Dataset":
        """Without the videos that have fewer annotated frames: they are skipped too."""
        short = [video for video in self.videos if len(video.annotated) < num_annotated]
        reasons = (f"{len(v.annotated)} annotated frames of {num_annotated}" for v in short)
        skipped = (Skipped(v.name, reason) for v, reason in zip(short, reasons, strict=True))
        videos = tuple(video for video in self.videos if len(video.annotated) >= num_annotated)
        return Dataset(self.layout, videos, (*self.skipped, *skipped))
