"""Contact sheets of the worst cases: a row an object; truth as outline, what was found as fill."""

import heapq
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sam2_rt.eval.follower import Picture
from sam2_rt.eval.vos import Found

NUM_COLUMNS: Final = 8
"""Frames of each object."""
NUM_ROWS: Final = 8
"""Objects of a sheet."""
LEGEND: Final = "pink: found     cyan outline: truth"

_TILE: Final = (240, 180)
"""Width and height at most, of one frame."""
_MARGIN: Final = 4
_LABEL_WIDTH: Final = 150
_FOUND: Final = (255, 0, 160)
_TRUTH: Final = (0, 255, 220)
_PAPER: Final = (24, 24, 24)
_INK: Final = (230, 230, 230)

Mask = NDArray[np.bool_]


def overlay(rgb: Picture, truth: Mask, found: Mask) -> Picture:
    """A small picture of one object in one frame: truth and found [H, W], rgb [H, W, 3]."""
    height, width = truth.shape
    scale = min(_TILE[0] / width, _TILE[1] / height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    tile = _faded(np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8))
    fill = _shrink(found, size)
    tile[fill] = (0.45 * tile[fill] + 0.55 * np.array(_FOUND)).astype(np.uint8)
    outlines, _ = cv2.findContours(
        _shrink(truth, size).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(tile, outlines, -1, _TRUTH, 1)
    return tile


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One row of a sheet."""

    score: float
    """0..1; the worst are kept."""
    label: tuple[str, ...]
    """Lines."""
    tiles: tuple[tuple[str, Picture], ...]
    """Pictures with their captions."""


class Worst:
    """Keeps the strips with the lowest scores; beyond NUM_ROWS the best of them leaves."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Strip]] = []  # the best kept first
        self._count = 0

    def add(self, strip: Strip) -> None:
        """Keeps a strip if it is among the worst."""
        self._count += 1
        entry = (-strip.score, -self._count, strip)
        if len(self._heap) < NUM_ROWS:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    @property
    def strips(self) -> list[Strip]:
        """The worst first."""
        return [strip for _, _, strip in sorted(self._heap, key=lambda e: (e[2].score, -e[1]))]


class Reel:
    """Small pictures of one video's objects, in frames spread over those that are annotated."""

    def __init__(self, annotated: tuple[int, ...]) -> None:
        places = np.linspace(0, len(annotated) - 1, NUM_COLUMNS).round().astype(int)
        self._shown = {annotated[place] for place in places} if annotated else set()
        self._begun: dict[int, int] = {}  # row -> where the object was told of
        self._tiles: dict[int, dict[int, Picture]] = {}  # row -> frame -> picture

    def watch(self, found: Found) -> None:
        """Draws the objects told of so far, if the frame is one of those shown.

        Where a video is played several times, what was found last stands.
        """
        for row in found.begun:
            self._begun.setdefault(row, found.index)
        if found.truth is not None and found.index in self._shown:
            for row, begun in self._begun.items():
                if begun <= found.index:
                    tile = overlay(found.rgb, found.truth.masks[row], found.masks[row])
                    self._tiles.setdefault(row, {})[found.index] = tile

    def tiles(self, row: int) -> tuple[tuple[str, Picture], ...]:
        """The pictures of one object."""
        tiles = self._tiles.get(row, {})
        return tuple((str(index), tiles[index]) for index in sorted(tiles))


def write_sheet(path: Path, title: str, strips: list[Strip], legend: str = LEGEND) -> Path | None:
    """Writes a PNG with a row for each strip; None if there is none."""
    if not strips:
        return None
    columns = max(len(strip.tiles) for strip in strips)
    pitch = max(tile.shape[1] for strip in strips for _, tile in strip.tiles) + _MARGIN
    heights = [max(tile.shape[0] for _, tile in strip.tiles) + _MARGIN for strip in strips]
    width = _LABEL_WIDTH + columns * pitch
    sheet = Image.new("RGB", (width, 28 + sum(heights)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((8, 7), f"{title}     {legend}", _INK, ImageFont.load_default(14))
    top = 28
    for strip, height in zip(strips, heights, strict=True):
        _draw_strip(sheet, strip, top, pitch)
        top += height
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


def _draw_strip(sheet: Image.Image, strip: Strip, top: int, pitch: int) -> None:
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for line, text in enumerate(strip.label):
        draw.text((8, top + 4 + 16 * line), text, _INK, font)
    for column, (caption, tile) in enumerate(strip.tiles):
        left = _LABEL_WIDTH + column * pitch
        sheet.paste(Image.fromarray(tile), (left, top))
        draw.text((left + 4, top + 2), caption, _INK, font, stroke_width=2, stroke_fill=_PAPER)


def _faded(rgb: Picture) -> Picture:
    """Nearly grey, so that pink and cyan stand out from whatever colours there are."""
    grey = rgb.mean(axis=2, keepdims=True)
    return (0.8 * grey + 0.2 * rgb).astype(np.uint8)


def _shrink(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at the size of a tile; of small objects something stays."""
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    kept: Mask = share >= min(0.5, float(share.max()) or 1.0)
    return kept
