"""Row-XOR run lengths: the mask codec of the wire. Numpy only, bounded work both ways."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_MAX_BYTES: Final = 4
"""Of one unsigned LEB128 number: 28 bits hold any run of a grid."""


class RowRunsError(ValueError):
    """Run lengths that describe no mask of the size asked for."""


def encode_runs(mask: NDArray[np.bool_]) -> bytes:
    """Mask [h, w], not empty -> LEB128 lengths of alternating runs, zeros first.

    Each row is XORed with the row above it, so that straight outlines become empty rows.
    """
    differences = mask.copy()
    differences[1:] ^= mask[:-1]
    pixels = differences.reshape(-1)
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    starts = np.concatenate(([0, 0] if pixels[0] else [0], changes, [pixels.size]))
    return _to_leb128(np.diff(starts))


def decode_runs(data: bytes, height: int, width: int) -> NDArray[np.bool_]:
    """Lengths -> mask [height, width]. Raises RowRunsError for lengths that do not fill it."""
    runs = _from_leb128(data)
    total = int(runs.sum())
    if total != height * width:
        raise RowRunsError(f"run lengths sum to {total}, not to {width} x {height} cells")
    differences = np.repeat(np.arange(runs.size) % 2 == 1, runs).reshape(height, width)
    return np.logical_xor.accumulate(differences, axis=0)


def _to_leb128(numbers: NDArray[np.intp]) -> bytes:
    """Numbers [n], each 0..2^28-1 -> seven bits a byte, low ones first, 0x80 means more."""
    shifts = 7 * np.arange(_MAX_BYTES)
    last = (numbers[:, None] >= (1 << shifts[1:])).sum(axis=1)[:, None]
    position = np.arange(_MAX_BYTES)
    groups = ((numbers[:, None] >> shifts) & 0x7F) | np.where(position < last, 0x80, 0)
    return bytes(groups[position <= last].astype(np.uint8))


def _from_leb128(data: bytes) -> NDArray[np.int64]:
    """Bytes -> numbers [n], at least one."""
    values = np.frombuffer(data, np.uint8).astype(np.int64)
    ends = np.flatnonzero(values < 0x80)
    if not ends.size or ends[-1] != values.size - 1:
        raise RowRunsError("run lengths end within a number")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_BYTES:
        raise RowRunsError(f"a number of more than {_MAX_BYTES} bytes")
    position = np.arange(values.size) - np.repeat(starts, lengths)
    return np.add.reduceat((values & 0x7F) << (7 * position), starts)
