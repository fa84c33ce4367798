"""Ghost: what a follower still finds at an object's first place when the object has left it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt.eval.vos import Found

LEFT_SHARE: Final = 0.1
"""Of its first mask that an object may still cover where it has left that place."""


@dataclass(frozen=True, slots=True)
class Ghost:
    """Shares of first masks that were wrongly found again, summed over objects and frames."""

    frames: int = 0
    """Annotated ones in which an object has left its first place, or is away."""
    shares: float = 0.0
    """Sum of each one's share."""

    def __add__(self, other: "Ghost") -> "Ghost":
        return Ghost(self.frames + other.frames, self.shares + other.shares)

    @property
    def share(self) -> float | None:
        """The mean, 0..1; None: no object left its first place."""
        return self.shares / self.frames if self.frames else None


class GhostMeter:
    """Watches one video's objects, frame by frame."""

    def __init__(self) -> None:
        self._first: dict[int, NDArray[np.bool_]] = {}  # row -> [H, W], where it was told of
        self._ghost = Ghost()

    def watch(self, found: Found) -> None:
        """Takes in one more frame; objects count from the frame after they are told of."""
        if found.truth is None:
            return
        masks = found.truth.known(found.masks)
        for row, first in self._first.items():
            truth, area = found.truth.masks[row], np.count_nonzero(first)
            if np.count_nonzero(truth & first) <= LEFT_SHARE * area:
                wrong = np.count_nonzero(masks[row] & first & ~truth)
                self._ghost += Ghost(1, wrong / area)
        self._first |= {row: found.truth.masks[row] for row in found.begun}

    def result(self) -> Ghost:
        """Over all objects so far."""
        return self._ghost
