"""Prompt to mask in single pictures: IoU after one click, after five, and for a box."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2_rt.data.clip import ClipError
from sam2_rt.data.png_video import IGNORED_ID, read_labels
from sam2_rt.data.sample import Sample
from sam2_rt.data.synthetic import SceneMaker
from sam2_rt.eval.follower import Begin, Masks, Picture
from sam2_rt.eval.metrics import region_similarity
from sam2_rt.eval.vos import Told, Truth, correct_all, tell

MIN_AREA: Final = 0.001
"""Of the picture. Smaller objects are left out and counted: they cover less than one cell of a
small model's feature map."""

_PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
# What Pillow raises for a file that is missing, no picture, cut off, garbled or far too large.
_PICTURE_ERRORS: Final = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """A picture and the masks of its objects."""

    name: str
    rgb: Picture
    """[H, W, 3]"""
    object_ids: tuple[int, ...]
    truth: Truth


@dataclass(frozen=True, slots=True)
class PromptScore:
    """How well one object was found, as IoU, 0..1."""

    picture: str
    object_id: int
    click: float
    """After one click in its middle."""
    clicks5: float
    """After four more, each in the middle of the largest error."""
    box: float
    """For its tightest box."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundInPicture:
    """The masks of one picture's objects [K, H, W], by what was said of them."""

    click: Masks
    clicks5: Masks
    box: Masks


def score_picture(
    picture: LabelledPicture, begin: Begin
) -> tuple[tuple[PromptScore, ...], FoundInPicture]:
    """Tells of each object in each way, by itself, and scores what is found."""
    found = find_in_picture(picture, begin)
    scores = []
    for row, object_id in enumerate(picture.object_ids):
        ious = (
            _iou(picture.truth, masks, row) for masks in (found.click, found.clicks5, found.box)
        )
        scores.append(PromptScore(picture.name, object_id, *ious))
    return tuple(scores), found


def find_in_picture(picture: LabelledPicture, begin: Begin) -> FoundInPicture:
    """Shows the picture to two new followers: one is told of clicks, the other of boxes."""
    rgb, truth = picture.rgb, picture.truth
    rows = range(len(truth.masks))
    clicked = begin(len(rows))
    click = clicks5 = tell(clicked, rgb, truth, rows, Told.CLICK)
    for _ in range(Told.CLICKS5.corrections):
        corrections = correct_all(truth, clicks5, rows)
        clicks5 = clicked.correct(corrections) if corrections else clicks5
    box = tell(begin(len(rows)), rgb, truth, rows, Told.BOX)
    return FoundInPicture(click, clicks5, box)


class Pictures(Protocol):
    """Pictures with masks, one at a time."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[LabelledPicture | ClipError]:
        """The next picture, or what is wrong with it."""


@dataclass(frozen=True, slots=True)
class MadeUpPictures:
    """Still scenes that no training has seen, made when their turn comes."""

    maker: SceneMaker
    seeds: range

    def __len__(self) -> int:
        return len(self.seeds)

    def __iter__(self) -> Iterator[LabelledPicture]:
        for seed in self.seeds:
            yield from_sample(f"scene-{seed}", self.maker.make(seed, 1))


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """A folder of pictures with masks: images/NAME.jpg (or .png) and masks/NAME.png."""

    files: tuple[tuple[Path, Path], ...]
    """Of each picture and its mask."""

    @classmethod
    def open(cls, folder: Path) -> "PictureFolder":
        """Raises ClipError for a folder that is missing or laid out in another way."""
        for part in ("images", "masks"):
            if not (folder / part).is_dir():
                raise ClipError(f"{folder / part} is missing: images/ and masks/ are needed")
        pictures = sorted(
            f for f in (folder / "images").iterdir() if f.suffix.lower() in _PICTURE_SUFFIXES
        )
        masks = [folder / "masks" / f"{picture.stem}.png" for picture in pictures]
        if not pictures:
            raise ClipError(f"{folder / 'images'} holds no pictures")
        return cls(tuple(zip(pictures, masks, strict=True)))

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[LabelledPicture | ClipError]:
        """One picture at a time, or what is wrong with it."""
        for picture, mask in self.files:
            try:
                yield _read(picture, mask)
            except ClipError as error:
                yield error


def from_sample(name: str, sample: Sample) -> LabelledPicture:
    """The first frame of a made-up clip, with the objects that are seen there."""
    masks = sample.masklets[:, 0]
    ignored = None if sample.ignored is None else sample.ignored[0]
    seen = masks.any(axis=(1, 2))
    ids = tuple(int(row) + 1 for row in np.flatnonzero(seen))
    return LabelledPicture(name, sample.frames[0], ids, Truth(masks[seen], ignored))


def without_small(picture: LabelledPicture) -> tuple[LabelledPicture, int]:
    """The picture with the objects that are large enough, and how many are not."""
    areas = picture.truth.masks.mean(axis=(1, 2))
    rows = np.flatnonzero(areas >= MIN_AREA)
    ids = tuple(picture.object_ids[row] for row in rows)
    truth = Truth(picture.truth.masks[rows], picture.truth.ignored)
    return LabelledPicture(picture.name, picture.rgb, ids, truth), len(areas) - len(rows)


def _read(picture: Path, mask: Path) -> LabelledPicture:
    try:
        with Image.open(picture) as file:
            rgb: NDArray[np.uint8] = np.array(file.convert("RGB"))
    except _PICTURE_ERRORS as error:
        raise ClipError(f"{picture} is no picture: {error}") from error
    labels = read_labels(mask)
    if labels.shape != rgb.shape[:2]:
        sizes = (f"{width} x {height}" for height, width in (labels.shape, rgb.shape[:2]))
        raise ClipError("{} is {} pixels, its picture {}".format(mask, *sizes))
    ids = tuple(int(n) for n in np.unique(labels) if n not in {0, IGNORED_ID})
    ignored = labels == IGNORED_ID
    masks = labels == np.array(ids).reshape(-1, 1, 1)
    return LabelledPicture(picture.stem, rgb, ids, Truth(masks, ignored if ignored.any() else None))


def _iou(truth: Truth, masks: Masks, row: int) -> float:
    return region_similarity(truth.masks[row], truth.known(masks)[row])
