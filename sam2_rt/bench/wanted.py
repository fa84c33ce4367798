"""Wanted: what `sam2-rt bench` is asked to measure. No torch."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sam2_rt.model.config import MAX_POINTERS, NUM_RECENT

FULL_BANK = NUM_RECENT + 1
"""Memories of a track that was prompted once, from so many frames on."""

Dtype = Literal["float32", "bfloat16"]


class Peer(StrEnum):
    """Another implementation of the same step."""

    TRANSFORMERS = "transformers"
    SAM2 = "sam2"
    """Meta's own package."""


class Only(StrEnum):
    """One part alone, in place of stages and steps."""

    ATTENTION = "attention"
    """Torch's kernels for it."""
    COLOUR = "colour"
    """Ways from a video frame to the model's input."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured."""

    model: str
    image_size: int | None = None
    """None: the model's own."""
    tracks: int = 1
    """Of each stream."""
    frames: int = 10
    """Steps that are timed, after those that fill the bank."""
    threads: int = 2
    dtype: Dtype = "float32"
    peers: tuple[Peer, ...] = ()
    peer_dtype: Dtype = "float32"
    streams: int = 1
    """More: all of them in one batch, beside as many engines that take turns, and peers."""
    compiled_rows: int = 0
    """Largest batch of whole steps that is compiled; stages are timed as they are."""
    device: str = "cpu"
    only: Only | None = None
    is_profiled: bool = False
    """Where the time of a step goes is told too, by torch's operations."""
    is_limited: bool = False
    """How near each stage is to what the device can do is told too."""
    counts_processor: bool = False
    """Processor time of this process in place of the wall's."""

    @property
    def frames_before(self) -> int:
        """Steps that fill the bank, untimed.

        Pointers take longer than memories. They are too few to be felt, but what is compiled has a
        shape of its own for a bank with all of them; peers on a GPU record one for each number.
        """
        is_shaped = self.compiled_rows > 0 or self.device != "cpu"
        return MAX_POINTERS + 1 if is_shaped else FULL_BANK
