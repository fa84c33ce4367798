"""Finding: which of many guesses at one frame are objects worth following. Plain numpy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt.tracking.prompt import Point

MIN_IOU: Final = 0.5
"""Predicted by the model: below, it is not sure of the mask itself."""
SURE_IOU: Final = 0.8
"""Above, one point is enough."""
MIN_VOTES: Final = 2
"""Points that say the same, where none is sure: on background each point says something else."""
SAME_IOU: Final = 0.6
"""Of two masks that say the same."""
MIN_SHARE, MAX_SHARE = 0.002, 0.5
"""Of the frame: below it is a speck, above the background."""
MAX_OVERLAP: Final = 0.3
"""Of the smaller of two masks: above, one is the other or a part of it."""


class How(StrEnum):
    """Which objects are wanted."""

    CENTER = "center"
    """What is in the middle of the frame."""
    LARGEST = "largest"
    """The largest object that is not tracked yet."""
    GRID = "grid"
    """All there are, as many as there is room for."""


@dataclass(frozen=True, eq=False)  # no slots: they leave no room for what is cached
class Guess:
    """What the model makes of one point."""

    point: Point
    iou: float
    """Predicted, 0..1."""
    logits: NDArray[np.float32]
    """[h, w] of the whole frame; > 0 is the object."""

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """[h, w]"""
        return self.logits > 0

    @cached_property
    def share(self) -> float:
        """Of the frame that it covers."""
        return float(self.mask.mean())


def grid(side: int) -> list[Point]:
    """side x side points, each in the middle of its cell of the frame."""
    places = [(at + 0.5) / side for at in range(side)]
    return [Point(x, y) for y in places for x in places]


def choose(
    guesses: Sequence[Guess], taken: Sequence[NDArray[np.bool_]], how: How, room: int
) -> list[Guess]:
    """At most `room` objects that overlap neither each other nor what is tracked, `taken` [h, w].

    Those that the model is surest of, and most points agree on, come first for `grid`; the largest
    for `largest`, one at most. 10 ms for 64 guesses on a grid of 64.
    """
    good = []
    for guess, votes in zip(guesses, _votes(guesses), strict=True):
        is_sure = guess.iou >= (MIN_IOU if votes >= MIN_VOTES else SURE_IOU)
        if is_sure and MIN_SHARE <= guess.share <= MAX_SHARE:
            rank = guess.share if how is How.LARGEST else guess.iou * math.sqrt(votes)
            good.append((rank, guess))
    good.sort(key=lambda ranked: ranked[0], reverse=True)
    room = min(room, 1) if how is How.LARGEST else room
    masks, chosen = list(taken), list[Guess]()
    for _, guess in good:
        if len(chosen) == room:
            break
        if all(_overlap(guess.mask, other) <= MAX_OVERLAP for other in masks):
            masks.append(guess.mask)
            chosen.append(guess)
    return chosen


def apart(
    masks: Sequence[NDArray[np.bool_]], taken: Sequence[NDArray[np.bool_]]
) -> list[NDArray[np.bool_]]:
    """Those of the masks [h, w] that are not empty, nor overlap `taken` or one before them."""
    known, kept = list(taken), list[NDArray[np.bool_]]()
    for mask in masks:
        if mask.any() and all(_overlap(mask, other) <= MAX_OVERLAP for other in known):
            known.append(mask)
            kept.append(mask)
    return kept


def free_ids(used: Sequence[int], count: int) -> list[int]:
    """The lowest `count` track ids from 1 on that are not in use."""
    return [n for n in range(1, len(used) + count + 1) if n not in used][:count]


def _overlap(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Share of the smaller mask, which is not empty, that lies in both."""
    smaller = min(np.count_nonzero(mask), np.count_nonzero(other))
    return np.count_nonzero(mask & other) / smaller if smaller else 0.0


def _votes(guesses: Sequence[Guess]) -> list[int]:
    """How many of the guesses say the same as each, itself among them."""
    if not guesses:
        return []
    masks = np.stack([guess.mask.reshape(-1) for guess in guesses]).astype(np.float32)
    both = masks @ masks.T  # whole numbers, exact
    areas = np.diagonal(both)
    either = areas[:, None] + areas[None] - both
    return [int(count) for count in (both > SAME_IOU * either).sum(axis=1)]
