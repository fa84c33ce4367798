"""Buckets: the few shapes that batches are padded to: nothing is compiled while frames wait.

Plain values, no torch.
"""

from dataclasses import dataclass
from typing import NamedTuple

from sam2_rt.model.config import NUM_RECENT
from sam2_rt.tracking.memory_policy import NUM_RECENT_POINTERS


class Shape(NamedTuple):
    """Of one batch of tracks."""

    rows: int
    memories: int
    pointers: int
    is_masked: bool
    """False: every row has exactly so many memories and pointers."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """What is compiled: batches of tracks by powers of two, each for two kinds of banks.

    A steady bank has one prompted frame and is full; the other shape holds every bank, masked.
    """

    max_rows: int
    """A power of two; larger batches are not compiled."""
    max_conditioning: int

    def __post_init__(self) -> None:
        if self.max_rows < 1 or self.max_rows & (self.max_rows - 1):
            raise ValueError(f"{self.max_rows} rows are no power of two")

    @property
    def counts(self) -> tuple[int, ...]:
        """1, 2, 4... up to the most: of frames to encode and of rows to look for."""
        return tuple(1 << power for power in range(self.max_rows.bit_length()))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """All there are."""
        return tuple(shape for rows in self.counts for shape in self._of(rows))

    def count(self, wanted: int) -> int | None:
        """The smallest that holds so many frames; None: none does."""
        return next((count for count in self.counts if count >= wanted), None)

    def shape(self, wanted: Shape) -> Shape | None:
        """The smallest that holds a batch; None: none does."""
        rows = self.count(wanted.rows)
        if rows is None:
            return None
        steady, any_bank = self._of(rows)
        if wanted[1:] == steady[1:]:
            return steady
        fits = wanted.memories <= any_bank.memories and wanted.pointers <= any_bank.pointers
        return any_bank if fits else None

    def _of(self, rows: int) -> tuple[Shape, Shape]:
        limit = self.max_conditioning
        return (
            Shape(rows, 1 + NUM_RECENT, 1 + NUM_RECENT_POINTERS, is_masked=False),
            Shape(rows, limit + NUM_RECENT, limit + NUM_RECENT_POINTERS, is_masked=True),
        )
