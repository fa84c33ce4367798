"""SA-V's videos: an mp4 at 24 frames a second and a JSON with run-length masks of every fourth."""

import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt import rle
from sam2_rt.data.clip import ClipError
from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.video_reader import VideoReader, measure_video

ANNOTATED_EVERY: Final = 4
"""Video frames: 24 a second, of which 6 are annotated."""
MAX_OPEN: Final = 4
"""Decoders and parsed JSON files that a process keeps; the one used longest ago is closed."""

Masklets = list[list[object]]
"""Of each annotated frame, each object's mask as COCO writes it; nothing where it is absent."""


@dataclass(frozen=True, slots=True)
class SavVideo:
    """One mp4 with the masklets of one JSON; they may overlap."""

    name: str
    size: tuple[int, int]
    num_frames: int
    annotated: tuple[int, ...]
    object_ids: tuple[int, ...]
    """1 for the first masklet of the file."""
    video_file: Path = field(repr=False)
    masklet_file: Path = field(repr=False)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """[H, W, 3]. Raises ClipError for a video that is broken there."""
        rgb = _reader(self.video_file, os.getpid()).frame(index)
        self._check_shape(f"{self.video_file}, frame {index}", rgb.shape)
        return rgb

    def masks(self, index: int) -> dict[int, NDArray[np.bool_]]:
        """Object id -> [H, W]. Raises ClipError for run lengths that do not fit."""
        found = read_masklets(self.masklet_file)[index // ANNOTATED_EVERY]
        return {i: self._decode(index, found, i - 1) for i in self.object_ids}

    def ignored(self, index: int) -> None:  # noqa: ARG002
        """Nothing: what has no masklet is taken as known to be none of the objects."""
        return

    def _decode(self, index: int, found: list[object], row: int) -> NDArray[np.bool_]:
        if row >= len(found) or not found[row]:
            return np.zeros(self.size[::-1], np.bool_)
        what = f"{self.masklet_file}, frame {index}, masklet {row}"
        try:
            mask = rle.from_json(found[row])
        except rle.RleError as error:
            raise ClipError(f"{what}: {error}") from error
        self._check_shape(what, mask.shape)
        return mask

    def _check_shape(self, what: str, shape: tuple[int, ...]) -> None:
        if (shape[1], shape[0]) != self.size:
            raise ClipError(
                f"{what} is {shape[1]} x {shape[0]} pixels, "
                f"the video {self.size[0]} x {self.size[1]}"
            )


def open_sav_video(name: str, video_file: Path, masklet_file: Path) -> SavVideo | Skipped:
    """Reads the header of the mp4, and the JSON without decoding more masks than the first."""
    try:
        num_frames, size = measure_video(video_file)
        masklets = read_masklets(masklet_file)
        if not any(any(row) for row in masklets):
            return Skipped(name, f"{masklet_file} holds no object")
        annotated = _annotated(masklets, num_frames, masklet_file)
        num_objects = max(map(len, masklets))
        video = SavVideo(
            name=name,
            size=size,
            num_frames=num_frames,
            annotated=annotated,
            object_ids=tuple(range(1, num_objects + 1)),
            video_file=video_file,
            masklet_file=masklet_file,
        )
        video.masks(annotated[0])  # a JSON of another video, or of another size
    except ClipError as error:
        return Skipped(name, str(error))
    return video


@lru_cache(maxsize=MAX_OPEN)
def read_masklets(file: Path) -> Masklets:
    """The "masklet" list of a SA-V JSON. Raises ClipError for a file that is broken or is none."""
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:  # missing; not UTF-8, no JSON; too deep
        raise ClipError(f"{file} is no SA-V annotation: {error}") from error
    masklets = document.get("masklet") if isinstance(document, dict) else None
    if not isinstance(masklets, list) or not all(isinstance(row, list) for row in masklets):
        raise ClipError(f'{file} is no SA-V annotation: "masklet" is not a list of lists')
    return masklets


@lru_cache(maxsize=MAX_OPEN)
def _reader(file: Path, process: int) -> VideoReader:  # noqa: ARG001
    """An open decoder. Of each process its own: forked ones would move each other's file offset."""
    return VideoReader(file)


def _annotated(masklets: Masklets, num_frames: int, file: Path) -> tuple[int, ...]:
    """Frames with masks; the last may lie just behind the video's end, where 6 fps rounds up."""
    last = ANNOTATED_EVERY * (len(masklets) - 1)
    if last >= num_frames + ANNOTATED_EVERY:
        raise ClipError(f"{file} annotates frame {last} of a video of {num_frames} frames")
    return tuple(range(0, min(num_frames, last + 1), ANNOTATED_EVERY))
