"""Contact sheets: samples as rows of frames with the outlines of their masks, to be looked at."""

from collections.abc import Iterable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.sample import Sample

MAX_COLUMNS: Final = 8
"""Longer clips are shown by as many of their frames, evenly chosen."""

_COLOURS: Final = ((255, 60, 60), (60, 255, 60), (80, 130, 255), (255, 255, 0), (0, 255, 255))
_IGNORED: Final = (255, 0, 255)


def draw_contact_sheet(samples: Iterable[Sample]) -> NDArray[np.uint8]:
    """A row a clip; still pictures (samples of one frame) fill rows together: [H, W, 3]."""
    cells = [cell for sample in samples for cell in _cells(sample)]
    columns = min(MAX_COLUMNS, len(cells))
    empty = np.zeros_like(cells[0])
    cells += [empty] * (-len(cells) % columns)
    rows = [np.hstack(cells[at : at + columns]) for at in range(0, len(cells), columns)]
    return np.vstack(rows)


def _cells(sample: Sample) -> list[NDArray[np.uint8]]:
    last = len(sample.frames) - 1
    shown = [0] if last == 0 else np.linspace(0, last, MAX_COLUMNS).round().astype(int).tolist()
    return [_outlined(sample, index) for index in shown]


def _outlined(sample: Sample, index: int) -> NDArray[np.uint8]:
    frame = sample.frames[index].copy()
    if sample.ignored is not None:
        unknown = sample.ignored[index]
        frame[unknown] = frame[unknown] // 2 + np.array(_IGNORED, np.uint8) // 2
    for number, masklet in enumerate(sample.masklets):
        mask = masklet[index].astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(frame, outlines, -1, _COLOURS[number % len(_COLOURS)], 1)
    return frame
