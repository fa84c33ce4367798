"""Clip: a finite recorded video, read frame by frame; and the palette PNGs that hold its masks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray
from PIL import Image

FOLDER_FPS: Final = 24.0
"""Of a folder of frames, which does not say: the rate of DAVIS and SA-V."""

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
# What Pillow raises for a file that is missing, no picture, cut off, garbled or far too large.
_PICTURE_ERRORS: Final = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class ClipError(ValueError):
    """A clip or mask that cannot be read; the message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One decoded picture of a clip."""

    index: int
    name: str
    """Of the frame's file without its suffix; of a video's frame, its index in five digits."""
    rgb: NDArray[np.uint8]
    """[H, W, 3]"""


class Clip(Protocol):
    """Frames in order, decoded one at a time as they are asked for; each iteration starts anew."""

    @property
    def fps(self) -> float:
        """Frames a second."""

    @property
    def num_frames(self) -> int | None:
        """As the source claims; None if it does not say."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, the same for each frame."""

    def has(self, name: str) -> bool:
        """Whether a frame is called so, as far as the source says."""

    def __iter__(self) -> Iterator[ClipFrame]:
        """Raises ClipError at a frame that is broken or of another size."""


def open_clip(path: Path) -> Clip:
    """A video file, or a folder of .jpg and .png frames in the order of their names.

    Raises ClipError for a path that is missing, holds no frames or cannot be decoded.
    """
    if path.is_dir():
        return FolderClip.open(path)
    if not path.is_file():
        raise ClipError(f"{path} does not exist")
    return VideoClip.open(path)


@dataclass(frozen=True, slots=True)
class FolderClip:
    """A folder of pictures, one a frame."""

    files: tuple[Path, ...]
    size: tuple[int, int]
    fps: float = FOLDER_FPS

    @property
    def num_frames(self) -> int:
        """The number of files."""
        return len(self.files)

    def has(self, name: str) -> bool:
        """Whether a file is called so."""
        return any(file.stem == name for file in self.files)

    @classmethod
    def open(cls, folder: Path) -> "FolderClip":
        """Lists the files and measures the first."""
        files = [f for f in folder.iterdir() if f.suffix.lower() in _SUFFIXES]
        files.sort(key=lambda file: _by_number(file.name))
        if not files:
            raise ClipError(f"{folder} holds no .jpg or .png frames")
        if len({file.stem for file in files}) < len(files):
            raise ClipError(f"{folder} holds two frames of one name, as in 0.jpg and 0.png")
        return cls(tuple(files), _read_rgb(files[0]).size)

    def __iter__(self) -> Iterator[ClipFrame]:
        for index, file in enumerate(self.files):
            picture = _read_rgb(file)
            _check_size(f"{file}", picture.size, self.size)
            yield ClipFrame(index, file.stem, np.array(picture))


@dataclass(frozen=True, slots=True)
class VideoClip:
    """A video file, whatever FFmpeg can decode."""

    file: Path
    size: tuple[int, int]
    fps: float
    num_frames: int | None

    def has(self, name: str) -> bool:
        """Whether the name is an index, below the number of frames where that is known."""
        if not name.isdecimal() or name != _index_name(int(name)):
            return False
        return self.num_frames is None or int(name) < self.num_frames

    @classmethod
    def open(cls, file: Path) -> "VideoClip":
        """Reads the header and decodes one frame, so that a broken file fails here."""
        try:
            with av.open(str(file)) as container:
                if not container.streams.video:
                    raise ClipError(f"{file} holds no video")
                stream = container.streams.video[0]
                rate = stream.average_rate or stream.guessed_rate
                num_frames = stream.frames or None
        except FFmpegError as error:
            raise ClipError(f"{file} is no video: {error.strerror}") from error
        first = next(_decode(file), None)
        if first is None:
            raise ClipError(f"{file} holds no frames")
        height, width = first.shape[:2]
        return cls(file, (width, height), float(rate) if rate else FOLDER_FPS, num_frames)

    def __iter__(self) -> Iterator[ClipFrame]:
        for index, rgb in enumerate(_decode(self.file)):
            height, width = rgb.shape[:2]
            _check_size(f"{self.file}, frame {index}", (width, height), self.size)
            yield ClipFrame(index, _index_name(index), rgb)


def write_palette_png(path: Path, labels: NDArray[np.uint8]) -> None:
    """Labels [H, W], 0 for the background and else a track id, as a PNG in the colours of DAVIS."""
    picture = Image.fromarray(labels)
    picture.putpalette(_palette().tobytes())
    picture.save(path, format="PNG")


def read_mask_png(path: Path, track_id: int) -> NDArray[np.bool_]:
    """The pixels equal to track_id or, where none is, all that are not zero: [H, W].

    Pixels of a palette PNG are its indices, of a colour picture their brightest channel.
    Raises ClipError for a file that cannot be read or that is zero everywhere.
    """
    try:
        with Image.open(path) as picture:
            is_colour = picture.mode not in {"P", "L", "1", "I", "I;16"}
            pixels = np.array(picture.convert("RGB") if is_colour else picture)
    except _PICTURE_ERRORS as error:
        raise ClipError(f"{path} is no mask: {error}") from error
    if is_colour:
        pixels = pixels.max(axis=2)
    mask: NDArray[np.bool_] = pixels == track_id
    if not mask.any():
        mask = pixels != 0
    if not mask.any():
        raise ClipError(f"{path} is zero everywhere: no object")
    return mask


def _index_name(index: int) -> str:
    return f"{index:05d}"


def _by_number(name: str) -> list[str | int]:
    """Sorts 2.jpg before 10.jpg, and zero-padded names as they are."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _read_rgb(file: Path) -> Image.Image:
    try:
        with Image.open(file) as picture:
            return picture.convert("RGB")
    except _PICTURE_ERRORS as error:
        raise ClipError(f"{file} is no picture: {error}") from error


def _decode(file: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of the first video stream, [H, W, 3], upright as a player shows them."""
    try:
        with av.open(str(file)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                rgb = frame.to_ndarray(format="rgb24")
                turned = np.rot90(rgb, round(frame.rotation / 90)) if frame.rotation else rgb
                yield np.ascontiguousarray(turned, np.uint8)
    except FFmpegError as error:
        raise ClipError(f"{file} cannot be decoded: {error.strerror}") from error


def _check_size(what: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    if size != expected:
        raise ClipError(
            f"{what} is {size[0]} x {size[1]} pixels, the first frame {expected[0]} x {expected[1]}"
        )


def _palette() -> NDArray[np.uint8]:
    """[256, 3]: bit k of each channel's share of the label is its k-th highest, as PASCAL VOC does.

    DAVIS has 191 where that gives 192 and stops at 22 colours; the rest here go on by the rule.
    """
    labels = np.arange(256)[:, None]
    channels = np.arange(3)
    colours = np.zeros((256, 3), np.int64)
    for bit in range(3):
        colours |= ((labels >> (3 * bit + channels)) & 1) << (7 - bit)
    return np.where(colours == 192, 191, colours).astype(np.uint8)
