import numpy as np
import pytest

from streamer.masks.row_runs import RowRunsError, decode_runs, encode_runs


def test_a_worked_example_has_these_bytes():
    mask = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]], np.bool_)
    # Rows XORed: 0110 0000 1000; runs of 0, 1, 0, 1, 0: 1, 2, 5, 1, 3.
    assert encode_runs(mask) == bytes([1, 2, 5, 1, 3])


def test_a_mask_that_begins_with_the_object_begins_with_an_empty_run():
    assert encode_runs(np.ones((1, 3), np.bool_)) == bytes([0, 3])


def test_a_run_of_128_and_more_takes_two_bytes():
    assert encode_runs(np.zeros((1, 300), np.bool_)) == bytes([300 % 128 | 128, 300 // 128])


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 320), (320, 1), (7, 13), (180, 320)])
def test_decode_gives_back_what_encode_took(size: tuple[int, int], density: float):
    mask = np.random.default_rng(5).random(size) < density
    assert np.array_equal(decode_runs(encode_runs(mask), *size), mask)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "end within"),
        (b"\x80", "end within"),
        (b"\x05", "sum to 5, not to 2 x 3"),
        (b"\x80\x80\x80\x80\x01", "more than 4 bytes"),
        (b"\xff\xff\xff\x7f" * 3, "sum to"),
    ],
)
def test_runs_that_do_not_fill_the_mask_are_refused(data: bytes, reason: str):
    with pytest.raises(RowRunsError, match=reason):
        decode_runs(data, 3, 2)
