"""Banks: folders of photographs, of photographs with masks, and of cut-outs, read when needed."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

T = TypeVar("T")

MAX_SIDE: Final = 448
"""Longer pictures are shrunk to this, pixels."""
MAX_KEPT: Final = 512
"""Pictures that a bank holds, up to 0.6 MB each; the one not used for longest leaves."""
IGNORED_ID: Final = 255
"""In a mask: nobody knows what is there."""

_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
_MAX_DRAWS: Final = 64
# What Pillow raises for a file that is missing, no picture, cut off, garbled or far too large.
_PICTURE_ERRORS: Final = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True)
class SkippedPicture:
    """A file that could not be used."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class LabelledObject:
    """An object of a photograph."""

    label: int
    """Its pixels in the ids."""
    area: int
    """Pixels."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels; the last two are not inside."""
    cut: tuple[float, float, float, float]
    """Share of its box's left, top, right and bottom side that the photograph's border cuts."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A picture with what is known of its objects."""

    rgb: NDArray[np.uint8]
    """[H, W, 3]"""
    ids: NDArray[np.uint8] | None = None
    """[H, W]; 0: background or unknown, 255: ignored, else an object"""
    objects: tuple[LabelledObject, ...] = ()
    """By falling area."""


class Bank(Generic[T]):
    """Files of one kind, decoded when they are drawn; what cannot be used is named in `skipped`."""

    def __init__(self, files: list[Path], read: Callable[[Path], T]) -> None:
        self._files = files
        self._read = read
        self._kept: OrderedDict[Path, T] = OrderedDict()
        self._bad: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self._files)

    @property
    def skipped(self) -> tuple[SkippedPicture, ...]:
        """Found so far: files are looked at when they are drawn."""
        return tuple(SkippedPicture(path, reason) for path, reason in self._bad.items())

    def draw(self, rng: Generator) -> T | None:
        """Any good picture; None if the bank is empty or seems to hold no good one.

        What is drawn depends on the generator and the files only, not on what was drawn before.
        """
        for _ in range(_MAX_DRAWS if self._files else 0):
            path = self._files[int(rng.integers(len(self._files)))]
            if path in self._bad:
                continue
            picture = self._get(path)
            if picture is not None:
                return picture
        return None

    def _get(self, path: Path) -> T | None:
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        try:
            picture = self._read(path)
        except _PICTURE_ERRORS as error:
            self._bad[path] = str(error)
            return None
        self._kept[path] = picture
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return picture


def photo_bank(folders: tuple[Path, ...]) -> Bank[Photo]:
    """Photographs anywhere below the folders. Raises FileNotFoundError for one without any."""
    return Bank(_pictures_below(folders), lambda path: Photo(_read_rgb(path)))


def masked_bank(folders: tuple[Path, ...]) -> Bank[Photo]:
    """Photographs with ids: of each folder images/NAME.* with masks/NAME.png."""
    files = [file for folder in folders for file in _pictures_below((folder / "images",))]
    return Bank(files, _read_masked)


def cutout_bank(folders: tuple[Path, ...]) -> Bank[NDArray[np.uint8]]:
    """RGBA pictures anywhere below the folders, as [H, W, 4]."""
    return Bank(_pictures_below(folders), _read_rgba)


def _pictures_below(folders: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder of pictures")
        found = sorted(f for f in folder.rglob("*") if f.suffix.lower() in _SUFFIXES)
        if not found:
            raise FileNotFoundError(f"{folder} holds no {' or '.join(sorted(_SUFFIXES))} files")
        files += found
    return files


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
        rgb = np.array(picture.convert("RGB"))
    return _shrink(rgb, cv2.INTER_AREA)


def _read_rgba(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        if "A" not in picture.getbands() and "transparency" not in picture.info:
            raise ValueError(f"{path} has no alpha channel")
        rgba = np.array(picture.convert("RGBA"))
    if not (rgba[..., 3] > 127).any():
        raise ValueError(f"{path} is transparent everywhere")
    return _without_crumbs(_shrink(rgba, cv2.INTER_AREA))


def _without_crumbs(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Only the parts that are not far smaller than the largest: no dashes and sparks around."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((rgba[..., 3] > 0).view(np.uint8))
    areas = stats[1:count, cv2.CC_STAT_AREA]
    large = np.flatnonzero(areas >= 0.25 * areas.max()) + 1
    rgba[..., 3] = np.where(np.isin(labels, large), rgba[..., 3], 0)
    return rgba


def _read_masked(path: Path) -> Photo:
    mask_path = path.parent.parent / "masks" / f"{path.stem}.png"
    with Image.open(mask_path) as picture:
        if picture.mode not in {"L", "P"}:
            raise ValueError(f"{mask_path} has mode {picture.mode}, not one byte a pixel")
        full_ids = np.array(picture)
    with Image.open(path) as picture:
        size = picture.size
    if size != full_ids.shape[::-1]:
        raise ValueError(f"{mask_path} is {full_ids.shape[::-1]}, its photograph {size} pixels")
    rgb = _read_rgb(path)
    height, width = rgb.shape[:2]
    ids = np.asarray(
        cv2.resize(full_ids, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8
    )
    found = _objects_in(ids)
    if not found:
        raise ValueError(f"{mask_path} labels no object")
    return Photo(rgb, ids, found)


def mirror(photo: Photo) -> Photo:
    """Left and right exchanged."""
    width = photo.rgb.shape[1]
    objects = []
    for one in photo.objects:
        x0, y0, x1, y1 = one.box
        left, top, right, bottom = one.cut
        box = (width - x1, y0, width - x0, y1)
        objects.append(LabelledObject(one.label, one.area, box, (right, top, left, bottom)))
    ids = None if photo.ids is None else np.asarray(cv2.flip(photo.ids, 1), np.uint8)
    return Photo(np.asarray(cv2.flip(photo.rgb, 1), np.uint8), ids, tuple(objects))


def _objects_in(ids: NDArray[np.uint8]) -> tuple[LabelledObject, ...]:
    areas = np.bincount(ids.ravel(), minlength=256)
    found = []
    for label in np.flatnonzero(areas[1:IGNORED_ID]) + 1:
        mask = ids == label
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        cut = (
            float(mask[:, 0].sum() / height),
            float(mask[0].sum() / width),
            float(mask[:, -1].sum() / height),
            float(mask[-1].sum() / width),
        )
        box = (x, y, x + width, y + height)
        found.append(LabelledObject(int(label), int(areas[label]), box, cut))
    return tuple(sorted(found, key=lambda one: -one.area))


def _shrink(picture: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    factor = MAX_SIDE / max(height, width)
    if factor >= 1:
        return np.ascontiguousarray(picture)
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
