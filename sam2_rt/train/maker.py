"""Maker: what makes the sample of a seed, the same each time; and how to go on where it cannot."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.sample import NothingUsable, Sample

MAX_BARREN = 64
"""Seeds in a row that give no sample: then there is none to be had. (A maker has tried many things
for each of them.)"""


class Maker(Protocol):
    """Whatever makes the n-th sample; the same one for the same seed."""

    def make(self, seed: int, num_frames: int) -> Sample:
        """A sample of that many frames. Raises NothingUsable where this seed gives none."""
        ...

    @property
    def skipped(self) -> tuple[tuple[Skipped, int], ...]:
        """What could not be used so far, and how often."""
        ...


def make_usable(maker: Maker, seeds: Iterable[int], num_frames: int) -> Iterator[Sample]:
    """The samples of those seeds that give one.

    Raises NothingUsable after MAX_BARREN others in a row.
    """
    barren = 0
    for seed in seeds:
        try:
            sample = maker.make(seed, num_frames)
        except NothingUsable as error:
            barren += 1
            if barren == MAX_BARREN:
                raise NothingUsable(f"no sample of {barren} seeds in a row: {error}") from error
        else:
            barren = 0
            yield sample
