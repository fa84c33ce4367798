import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco

from sam2_rt.rle import MAX_PIXELS, RleError, decode, encode, from_json, to_json

Mask = NDArray[np.bool_]


def blobs(seed: int, height: int, width: int) -> Mask:
    """A mask of rectangles added and cut out."""
    random = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    for is_object in (True, True, False, True):
        y, x = random.integers(0, height), random.integers(0, width)
        h, w = random.integers(1, height + 1), random.integers(1, width + 1)
        mask[y : y + h, x : x + w] = is_object
    return mask


def one_pixel(height: int, width: int, y: int, x: int) -> Mask:
    mask = np.zeros((height, width), bool)
    mask[y, x] = True
    return mask


MASKS = {
    "empty": np.zeros((5, 7), bool),
    "full": np.ones((5, 7), bool),
    "first pixel": one_pixel(5, 7, 0, 0),
    "last pixel": one_pixel(5, 7, 4, 6),
    "one by one, set": np.ones((1, 1), bool),
    "one by one, unset": np.zeros((1, 1), bool),
    "one row": np.arange(33)[None] % 3 == 0,
    "one column": np.arange(33)[:, None] % 5 < 2,
    "checkers": np.indices((31, 17)).sum(axis=0) % 2 == 0,
    "noise": np.random.default_rng(0).random((91, 53)) < 0.5,
    "sparse noise": np.random.default_rng(1).random((360, 640)) < 0.001,
    "large and empty": np.zeros((2160, 3840), bool),
    "transposed view": blobs(5, 64, 48).T,
} | {f"blobs {seed}": blobs(seed, 37 + seed, 101 - 3 * seed) for seed in range(20)}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_encodes_the_bytes_of_pycocotools(mask: Mask):
    assert encode(mask) == coco.encode(np.asfortranarray(mask, np.uint8))["counts"]


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_decodes_what_pycocotools_encoded(mask: Mask):
    counts = coco.encode(np.asfortranarray(mask, np.uint8))["counts"]
    decoded = decode(counts, *mask.shape)
    assert decoded.dtype == np.bool_
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, mask)


def test_text_and_bytes_decode_alike():
    counts = encode(MASKS["noise"])
    np.testing.assert_array_equal(decode(counts.decode(), 91, 53), decode(counts, 91, 53))


def test_json_holds_the_size_and_comes_back():
    value = to_json(MASKS["noise"])
    assert value["size"] == [91, 53]
    np.testing.assert_array_equal(from_json(value), MASKS["noise"])


def test_empty_runs_between_others_decode_as_in_pycocotools():
    counts = b"21021"  # 2 zeros, 1 one, 0 zeros, 3 ones, 1 zero: the later are differences
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools predates numpy 2's copy=
        expected = coco.decode({"size": [7, 1], "counts": counts})
    np.testing.assert_array_equal(decode(counts, 7, 1), expected == 1)
    assert decode(counts, 7, 1)[:, 0].tolist() == [False, False, True, True, True, True, False]


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (b"", "0 characters"),
        ("", "0 characters"),
        ("é", "outside ASCII"),
        (b"\x00", "outside '0'"),
        (b" 4", "outside '0'"),
        (b"p4", "outside '0'"),
        (b"T", "end within a number"),
        (b"4T", "end within a number"),
        (b"4", "sum to 4"),
        (b"6", "sum to more than 1 x 5"),
        (b"6O", "negative"),
        (b"PPPPPPP0", "more than 7"),
        (b"oooooo?", "sum to"),
        (b"0" * 43, "43 characters"),
    ],
)
def test_malformed_counts_are_refused(counts: bytes | str, reason: str):
    with pytest.raises(RleError, match=reason):
        decode(counts, 5, 1)


def test_runs_whose_sum_wraps_round_to_the_right_one_are_refused():
    side, ramp = 256, 2**15  # in 7 characters a number, two ramps of runs get beyond 64 bits
    slope, rest = divmod(2**64 + side * side, ramp * (ramp + 1))
    assert (rest + slope * ramp * (ramp + 1)) % 2**64 == side * side
    counts = seven_characters(rest) + seven_characters(slope) * (2 * ramp)
    with pytest.raises(RleError, match="sum to more than 256 x 256"):
        decode(counts, side, side)


def seven_characters(number: int) -> bytes:
    """A number below 2**34, low bits first, with 0x20 on each but the last."""
    return bytes(48 + (number >> 5 * k & 31 | (32 if k < 6 else 0)) for k in range(7))


def test_random_bytes_either_decode_or_are_refused():
    random = np.random.default_rng(7)
    for length in random.integers(1, 24, 500):
        counts = random.integers(40, 120, length).astype(np.uint8).tobytes()
        try:
            assert decode(counts, 4, 4).shape == (4, 4)
        except RleError:
            continue


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (2**20, 2**20), (MAX_PIXELS + 1, 1)])
def test_a_size_without_bounds_is_refused_before_memory_is_taken(size: tuple[int, int]):
    tracemalloc.start()
    with pytest.raises(RleError, match="pixels are allowed"):
        decode(b"PPPPPP1", *size)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100_000


def test_a_run_longer_than_the_mask_takes_no_memory():
    tracemalloc.start()
    with pytest.raises(RleError, match="sum to"):
        decode(b"PPPPPP1", 5, 1)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 100_000


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"size": [5, 1]},
        {"size": [5], "counts": "5"},
        {"size": [5, True], "counts": "5"},
        {"size": [5.0, 1], "counts": "5"},
        {"size": ["5", 1], "counts": "5"},
        {"size": [5, 1], "counts": [5]},
        {"size": [5, 1], "counts": None},
    ],
)
def test_an_object_that_is_no_mask_is_refused(value: object):
    with pytest.raises(RleError):
        from_json(value)
