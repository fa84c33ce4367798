"""SharedStream: one stream's frames and masks, in memory that two processes share.

The memory is a nameless file, so nothing is left behind by a process that is killed, and what is
never written to takes no room.
"""

import math
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sam2_rt.steps import TrackMask
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.track_state import TrackState

FRAME_SLOTS: Final = 3
"""Taken in turn: a frame is written while the one before it may still be read."""


class Layout(NamedTuple):
    """What a stream has room for."""

    max_pixels: int
    """Of a frame."""
    max_tracks: int
    logits_side: int
    """Of a decoded mask."""

    @property
    def frame_bytes(self) -> int:
        """A slot: three bytes a pixel, as of RGB, and chroma that is rounded up."""
        return 3 * self.max_pixels + 4096

    @property
    def masks_bytes(self) -> int:
        """One bit a pixel and the logits, of every track."""
        return self.max_tracks * (self.max_pixels // 8 + 1 + 4 * self.logits_side**2)

    @property
    def total_bytes(self) -> int:
        """Of the file; most of it is never touched."""
        return FRAME_SLOTS * self.frame_bytes + self.masks_bytes


class FrameSlip(NamedTuple):
    """Where a frame lies."""

    slot: int
    pts: int
    shapes: tuple[tuple[int, ...], ...]
    """Of its planes, one behind the other."""


class MaskSlip(NamedTuple):
    """A track's part of an answer; its mask and logits lie behind those of the track before."""

    track_id: int
    state: TrackState
    object_score: float
    iou: float
    shape: tuple[int, int]
    """Of the mask."""
    logits_shape: tuple[int, int]


class NoRoom(ValueError):
    """A frame or masks that are larger than the layout says."""


@dataclass(slots=True, eq=False)
class SharedStream:
    """Frames go one way and masks the other; each side writes before it says so to the other."""

    layout: Layout
    memory: NDArray[np.uint8]
    """All of the file."""
    next_slot: int = 0

    @classmethod
    def create(cls, layout: Layout) -> tuple["SharedStream", int]:
        """New memory, and the file descriptor to send and close. Linux alone has such files."""
        descriptor = os.memfd_create("stream", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, layout.total_bytes)
        return cls.attach(layout, descriptor), descriptor

    @classmethod
    def attach(cls, layout: Layout, descriptor: int) -> "SharedStream":
        """The same memory, by its descriptor, which may be closed after it."""
        mapped = mmap.mmap(descriptor, layout.total_bytes)
        return cls(layout, np.frombuffer(mapped, np.uint8))

    def put_frame(self, frame: Frame) -> FrameSlip:
        """Copies the planes into the next slot. Raises NoRoom."""
        slot, self.next_slot = self.next_slot, (self.next_slot + 1) % FRAME_SLOTS
        slip = FrameSlip(slot, frame.pts, tuple(plane.shape for plane in frame.planes))
        for there, plane in zip(self._planes(slip), frame.planes, strict=True):
            there[:] = plane
        return slip

    def frame(self, slip: FrameSlip) -> Frame:
        """The frame, as views that hold until its slot's turn comes again."""
        return Frame(slip.pts, tuple(self._planes(slip)))

    def put_masks(self, masks: Sequence[TrackMask]) -> tuple[MaskSlip, ...]:
        """Writes the masks of one answer over those of the last. Raises NoRoom."""
        slips = tuple(
            MaskSlip(m.track_id, m.state, m.object_score, m.iou, _pair(m.mask), _pair(m.logits))
            for m in masks
        )
        for (bits, logits), mask in zip(self._masks(slips), masks, strict=True):
            bits[:] = np.packbits(mask.mask)
            logits[:] = mask.logits
        return slips

    def masks(self, slips: Sequence[MaskSlip]) -> tuple[TrackMask, ...]:
        """Copies of the masks of the last answer."""
        return tuple(
            TrackMask(
                slip.track_id,
                slip.state,
                slip.object_score,
                slip.iou,
                np.unpackbits(bits, count=math.prod(slip.shape)).reshape(slip.shape).view(np.bool_),
                logits.copy(),
            )
            for slip, (bits, logits) in zip(slips, self._masks(slips), strict=True)
        )

    def _planes(self, slip: FrameSlip) -> Iterator[NDArray[np.uint8]]:
        sizes = [math.prod(shape) for shape in slip.shapes]
        if sum(sizes) > self.layout.frame_bytes:
            raise NoRoom(f"a frame of planes {slip.shapes}: {self.layout.max_pixels} pixels fit")
        at = slip.slot * self.layout.frame_bytes
        for shape, size in zip(slip.shapes, sizes, strict=True):
            yield self.memory[at : at + size].reshape(shape)
            at += size

    def _masks(
        self, slips: Sequence[MaskSlip]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Bits and logits of each track, in place. All logits come first: they are aligned."""
        many = [(math.prod(s.logits_shape) * 4, -(-math.prod(s.shape) // 8)) for s in slips]
        if sum(map(sum, many)) > self.layout.masks_bytes:
            raise NoRoom(
                f"masks of {[s.shape for s in slips]}: more than {self.layout} has room for"
            )
        room = self.memory[FRAME_SLOTS * self.layout.frame_bytes :]
        at, bits_at = 0, sum(floats for floats, _ in many)
        for slip, (floats, bits) in zip(slips, many, strict=True):
            logits = room[at : at + floats].view(np.float32).reshape(slip.logits_shape)
            yield room[bits_at : bits_at + bits], logits
            at, bits_at = at + floats, bits_at + bits


def _pair(array: NDArray[np.generic]) -> tuple[int, int]:
    height, width = array.shape
    return height, width
