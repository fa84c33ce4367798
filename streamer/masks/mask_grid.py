"""The grid that masks travel on: as fine as the message has room for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

MAX_GRID: Final = 320
"""Cells of a grid's longer side, at most."""
MIN_GRID: Final = 32
"""Of the coarsest grid; then objects take turns."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What goes into one message."""

    items: tuple[bytes, ...]
    """The objects' bytes, in the order of the objects."""
    stride: int
    """Distance in pixels between cells."""
    is_reduced: bool
    """The grid is coarser than the finest, or objects were left out."""


def first_stride(height: int, width: int) -> int:
    """Distance in pixels between the cells of the finest grid for a frame of height x width."""
    return -(-max(height, width) // MAX_GRID)


def sample(mask: Mask, stride: int) -> Mask:
    """Mask [H, W] -> [ceil(H/stride), ceil(W/stride)]: the pixel in the middle of each cell."""
    return mask[np.ix_(*(_centres(length, stride) for length in mask.shape))]


def fit(
    masks: Sequence[Mask], room: int, max_items: int, turn: int, write: Callable[[int, Mask], bytes]
) -> Fitted:
    """All masks [H, W] of a frame in `room` bytes, written by write(number, cells).

    The grid gets coarser until they fit. If they do not on the coarsest, they take turns: as many
    as fit from number `turn` on, round and round; with growing turns each comes again and again.
    """
    if not masks:
        return Fitted((), 1, is_reduced=False)
    longest = max(masks[0].shape)
    stride = first = first_stride(*masks[0].shape)
    coarsest = max(first, longest // MIN_GRID)
    while True:
        items = [write(number, sample(mask, stride)) for number, mask in enumerate(masks)]
        size = sum(map(len, items))
        if (size <= room and len(items) <= max_items) or stride == coarsest:
            break
        # Lengths shrink with the stride or, of noise, with its square: the root is never too far.
        wanted = stride * math.sqrt(size / room) if room > 0 else coarsest
        stride = min(coarsest, max(stride + 1, int(wanted)))
    kept = _turns(items, room, max_items, turn)
    is_reduced = stride > first or len(kept) < len(items)
    return Fitted(tuple(items[number] for number in kept), stride, is_reduced)


def _turns(items: Sequence[bytes], room: int, max_items: int, turn: int) -> list[int]:
    """Numbers of the items that fit, in order; all of them when all fit."""
    kept = list[int]()
    for step in range(len(items)):
        number = (turn + step) % len(items)
        if len(items[number]) <= room and len(kept) < max_items:
            room -= len(items[number])
            kept.append(number)
    return sorted(kept)


def _centres(length: int, stride: int) -> NDArray[np.intp]:
    """Positions of the cells' middles along one axis; the last is held inside the frame."""
    return np.minimum(np.arange(0, length, stride) + stride // 2, length - 1)
