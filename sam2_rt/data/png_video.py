"""Videos as folders of pictures, with masks beside them: PNGs whose pixels are object ids."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2_rt.data.clip import ClipError
from sam2_rt.data.labelled_video import Skipped

IGNORED_ID: Final = 255
"""Pixels of which nobody says what they are; but in grey masks of 0 and 255 alone, the object."""

_PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
# What Pillow raises for a file that is missing, no picture, cut off, garbled or far too large.
_PICTURE_ERRORS: Final = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)

Labels = NDArray[np.int32]


@dataclass(slots=True, eq=False)
class PngVideo:
    """A folder of pictures and one of PNG masks, whose names say which belongs to which."""

    name: str
    size: tuple[int, int]
    frame_files: tuple[Path, ...]
    mask_files: dict[int, Path]
    """Of annotated frames, by index, ascending."""
    _object_ids: tuple[int, ...] = field(default=(), init=False)
    """Found by reading every mask, once, when they are first asked for."""
    _may_be_white: bool = field(default=True, init=False)
    """Whether white in a grey mask is the object; not where another mask has ids."""

    @property
    def num_frames(self) -> int:
        """The number of pictures."""
        return len(self.frame_files)

    @property
    def annotated(self) -> tuple[int, ...]:
        """Frames that have a PNG of their name."""
        return tuple(self.mask_files)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids in the masks that can be read; masks() tells of those that cannot."""
        if not self._object_ids:
            self._survey()
        return self._object_ids

    def frame(self, index: int) -> NDArray[np.uint8]:
        """[H, W, 3]. Raises ClipError for a picture that is broken or of another size."""
        file = self.frame_files[index]
        try:
            with Image.open(file) as picture:
                rgb = picture.convert("RGB")
        except _PICTURE_ERRORS as error:
            raise ClipError(f"{file} is no picture: {error}") from error
        self._check_size(file, rgb.size)
        return np.array(rgb)

    def masks(self, index: int) -> dict[int, NDArray[np.bool_]]:
        """Object id -> [H, W]. Raises ClipError for a mask that is broken or of another size."""
        object_ids = self.object_ids  # first: how pixels are to be read depends on all masks
        labels = self._labels(index)
        return {object_id: labels == object_id for object_id in object_ids}

    def ignored(self, index: int) -> NDArray[np.bool_] | None:
        """[H, W], the pixels of 255, if there are any and they are not the object."""
        if not self._object_ids:
            self._survey()
        unknown: NDArray[np.bool_] = self._labels(index) == IGNORED_ID
        return unknown if unknown.any() else None

    def first_object(self) -> int | None:
        """The index of the first frame that shows an object; reads no further than that."""
        return next((index for index in self.mask_files if _ids(self._labels(index))), None)

    def _survey(self) -> None:
        """Reads every mask for its ids; where there are none, white is the only object."""
        found: set[int] = set()
        self._may_be_white = False
        for index in self.mask_files:
            try:
                found.update(_ids(self._labels(index)))
            except ClipError:  # raised again by masks(), to whoever wants this frame
                continue
        self._may_be_white = not found
        self._object_ids = tuple(sorted(found)) or (1,)

    def _labels(self, index: int) -> Labels:
        file = self.mask_files[index]
        labels = read_labels(file, may_be_white=self._may_be_white)
        self._check_size(file, (labels.shape[1], labels.shape[0]))
        return labels

    def _check_size(self, file: Path, size: tuple[int, int]) -> None:
        if size != self.size:
            raise ClipError(
                f"{file} is {size[0]} x {size[1]} pixels, the first frame "
                f"{self.size[0]} x {self.size[1]}"
            )


def open_png_video(name: str, frames: Path, masks: Path) -> PngVideo | Skipped:
    """Lists two folders, measures the first frame and reads masks until one shows an object."""
    try:
        video = _match(name, frames, masks)
        if video.first_object() is None:
            return Skipped(name, f"no object in any of the {len(video.mask_files)} masks")
    except ClipError as error:
        return Skipped(name, str(error))
    return video


def read_labels(file: Path, *, may_be_white: bool = True) -> Labels:
    """A mask PNG -> object ids [H, W], 0 for the background, IGNORED_ID for what nobody knows.

    Pixels of a palette or grey PNG are ids; but black and white alone, as in DAVIS-2016, if that
    may be, and pictures of one bit are one object, 1. Raises ClipError for a file that is broken
    or colourful.
    """
    try:
        with Image.open(file) as picture:
            mode = picture.mode
            pixels = np.array(picture.convert("RGB") if _is_colour(mode) else picture)
    except _PICTURE_ERRORS as error:
        raise ClipError(f"{file} is no mask: {error}") from error
    if _is_colour(mode):
        if not np.isin(pixels, (0, 255)).all() or np.ptp(pixels, axis=2).any():
            raise ClipError(f"{file} is no mask: its colours are no object ids")
        pixels = pixels[..., 0]
    labels = pixels.astype(np.int32)
    if may_be_white and mode != "P" and labels.any() and np.isin(labels, (0, 255)).all():
        labels = np.minimum(labels, 1)
    return labels


def _match(name: str, frames: Path, masks: Path) -> PngVideo:
    frame_files = _pictures(frames, _PICTURE_SUFFIXES)
    masks_by_stem = {file.stem: file for file in _pictures(masks, frozenset({".png"}))}
    stems = [file.stem for file in frame_files]
    orphans = sorted(set(masks_by_stem) - set(stems))
    if orphans:
        raise ClipError(f"{masks_by_stem[orphans[0]]} has no frame ({len(orphans)} such masks)")
    mask_files = {i: masks_by_stem[stem] for i, stem in enumerate(stems) if stem in masks_by_stem}
    return PngVideo(name, _measure(frame_files[0]), tuple(frame_files), mask_files)


def _pictures(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    if not folder.is_dir():
        raise ClipError(f"{folder} is missing")
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in suffixes)
    if not files:
        raise ClipError(f"{folder} holds no {' or '.join(sorted(suffixes))} files")
    if len({file.stem for file in files}) < len(files):
        raise ClipError(f"{folder} holds two pictures of one name, as in 0.jpg and 0.png")
    return files


def _measure(file: Path) -> tuple[int, int]:
    try:
        with Image.open(file) as picture:
            return picture.size
    except _PICTURE_ERRORS as error:
        raise ClipError(f"{file} is no picture: {error}") from error


def _is_colour(mode: str) -> bool:
    return mode not in {"P", "L", "1"} and not mode.startswith("I")


def _ids(labels: Labels) -> list[int]:
    return [int(n) for n in np.unique(labels) if n not in {0, IGNORED_ID}]
