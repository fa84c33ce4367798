"""Run-length masks as COCO writes them: column-major run lengths in short ASCII. No torch."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS: Final = 2**25
"""Of a mask to decode: an 8K frame. A few characters can claim any size: memory has a bound."""

# COCO's maskApi: five bits a character, low ones first, 0x20 means more, '0' is the zero.
_BITS: Final = 5
_MORE: Final = 0x20
_SIGN: Final = 0x10
_LOW: Final = 0x1F
_ZERO: Final = 48
_MAX_CHARACTERS: Final = 7
"""Of one number: 35 bits hold any difference of two run lengths in 32 bits."""


class RleError(ValueError):
    """Run lengths that describe no mask of the size they claim; the message says why."""


def encode(mask: NDArray[np.bool_]) -> bytes:
    """Mask [H, W], not empty -> compressed counts, the bytes that pycocotools would write."""
    assert mask.ndim == 2, f"mask of shape {mask.shape}"
    assert mask.size, f"mask of shape {mask.shape}"
    return _to_characters(_run_lengths(np.ascontiguousarray(mask.T).reshape(-1)))


def decode(counts: bytes | str, height: int, width: int) -> NDArray[np.bool_]:
    """Compressed counts -> mask [height, width].

    Work and memory are bounded by the size of the mask, at most MAX_PIXELS.
    Raises RleError for counts that are malformed or cover another number of pixels.
    """
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise RleError(f"a mask of {width} x {height}, where 1 to {MAX_PIXELS} pixels are allowed")
    runs = _from_characters(_ascii(counts, height * width))
    if runs.min(initial=0) < 0:
        raise RleError("a run length is negative")
    # Before the sum, which many long runs would take round past 64 bits and back to the right one.
    if runs.max(initial=0) > height * width:
        raise RleError(f"run lengths sum to more than {width} x {height} pixels")
    if int(runs.sum()) != height * width:
        raise RleError(f"run lengths sum to {int(runs.sum())}, not to {width} x {height} pixels")
    is_object = np.arange(runs.size) % 2 == 1
    return np.ascontiguousarray(np.repeat(is_object, runs).reshape(width, height).T)


def to_json(mask: NDArray[np.bool_]) -> dict[str, list[int] | str]:
    """Mask [H, W] -> {"size": [H, W], "counts": text}, COCO's object for JSON."""
    height, width = mask.shape
    return {"size": [height, width], "counts": encode(mask).decode("ascii")}


def from_json(value: object) -> NDArray[np.bool_]:
    """COCO's object -> mask [H, W]. Raises RleError for anything else."""
    if not isinstance(value, dict):
        raise RleError('a mask is an object {"size": [height, width], "counts": text}')
    size, counts = value.get("size"), value.get("counts")
    if (
        not isinstance(size, list | tuple)
        or len(size) != 2
        or not all(type(n) is int for n in size)
    ):
        raise RleError('"size" is not [height, width] in whole pixels')
    if not isinstance(counts, str | bytes):
        raise RleError('"counts" is not the compressed text')
    return decode(counts, *size)


def _run_lengths(pixels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of alternating runs in pixels [N], the first of zeros and maybe empty."""
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    starts = np.concatenate(([0, 0] if pixels[0] else [0], changes, [pixels.size]))
    return np.diff(starts)


def _to_characters(runs: NDArray[np.int64]) -> bytes:
    """From the fourth on, a run is written as the difference to the one before the last."""
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    num_bits = int(np.abs(numbers).max()).bit_length() + 1
    shifts = _BITS * np.arange(-(-num_bits // _BITS))
    lowest_misfit = np.int64(1) << (shifts[1:] - 1)
    misfits = (numbers[:, None] >= lowest_misfit) | (numbers[:, None] < -lowest_misfit)
    last = misfits.sum(axis=1)[:, None]  # position of a number's last character
    position = np.arange(shifts.size)
    characters = (numbers[:, None] >> shifts) & _LOW
    characters += np.where(position < last, _MORE, 0) + _ZERO
    return bytes(characters[position <= last].astype(np.uint8))


def _ascii(counts: bytes | str, num_pixels: int) -> NDArray[np.int64]:
    """The characters' values, 0..63 each."""
    longest = _MAX_CHARACTERS * (num_pixels + 1)
    if not 0 < len(counts) <= longest:
        raise RleError(f"counts of {len(counts)} characters, where 1 to {longest} are possible")
    try:
        raw = counts.encode("ascii") if isinstance(counts, str) else counts
    except UnicodeEncodeError:
        raise RleError("counts hold a character outside ASCII") from None
    values = np.frombuffer(raw, np.uint8).astype(np.int64) - _ZERO
    if values.min() < 0 or values.max() > (_MORE | _LOW):
        raise RleError("counts hold a character outside '0'..'o'")
    return values


def _from_characters(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values of characters -> run lengths."""
    ends = np.flatnonzero(values < _MORE)
    if not ends.size or ends[-1] != values.size - 1:
        raise RleError("counts end within a number")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_CHARACTERS:
        raise RleError(f"a number of more than {_MAX_CHARACTERS} characters")
    position = np.arange(values.size) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((values & _LOW) << (_BITS * position), starts)
    is_negative = (values[ends] & _SIGN) != 0
    numbers -= np.where(is_negative, np.int64(1) << (_BITS * lengths), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
