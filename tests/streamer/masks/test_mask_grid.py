import numpy as np
import pytest

from streamer.masks import mask_grid


@pytest.mark.parametrize(
    ("height", "width", "stride"),
    [(320, 320, 1), (321, 100, 2), (360, 640, 2), (720, 1280, 4), (1, 1, 1), (641, 3, 3)],
)
def test_the_first_grid_has_at_most_320_cells_a_side(height: int, width: int, stride: int):
    assert mask_grid.first_stride(height, width) == stride
    grid = mask_grid.sample(np.ones((height, width), np.bool_), stride)
    assert grid.shape == (-(-height // stride), -(-width // stride))
    assert max(grid.shape) <= 320


def test_the_last_sample_is_held_inside_the_frame():
    mask = np.zeros((5, 5), np.bool_)
    mask[4, 4] = True
    assert mask_grid.sample(mask, 4).tolist() == [[False, False], [False, True]]


def write(_number: int, cells: np.ndarray) -> bytes:
    """A byte a set cell."""
    return bytes(int(cells.sum()))


def whole(count: int, side: int = 320) -> list[np.ndarray]:
    return [np.ones((side, side), np.bool_)] * count


def test_the_finest_grid_is_taken_when_all_fits():
    fitted = mask_grid.fit(whole(1), 320 * 320, 9, 0, write)
    assert (fitted.stride, fitted.is_reduced) == (1, False)
    assert [len(item) for item in fitted.items] == [320 * 320]


@pytest.mark.parametrize("room", [90_000, 30_000, 5_000, 1_100])
def test_a_coarser_grid_is_taken_when_not_and_hardly_coarser_than_needed(room: int):
    fitted = mask_grid.fit(whole(1), room, 9, 0, write)
    assert fitted.is_reduced
    assert sum(map(len, fitted.items)) <= room
    assert fitted.stride <= 1 + 1.6 * np.sqrt(320 * 320 / room)


def test_on_the_coarsest_grid_objects_take_turns():
    masks = whole(5)
    each = 32 * 32
    for turn, numbers in {0: {0, 1}, 1: {1, 2}, 4: {0, 4}, 5: {0, 1}}.items():
        written: list[int] = []

        def note(number: int, cells: np.ndarray, written: list[int] = written) -> bytes:
            written.append(number)
            return bytes([number]) * int(cells.sum())

        fitted = mask_grid.fit(masks, 2 * each, 9, turn, note)
        assert fitted.stride == 10
        assert {item[0] for item in fitted.items} == numbers


def test_no_more_objects_are_taken_than_can_be_counted():
    fitted = mask_grid.fit([np.zeros((4, 4), np.bool_)] * 9, 100, 5, 0, lambda *_: b"x")
    assert len(fitted.items) == 5
    assert fitted.is_reduced


def test_nothing_and_no_room_are_no_trouble():
    assert mask_grid.fit([], 100, 9, 0, write).items == ()
    assert mask_grid.fit(whole(2), 0, 9, 0, write).items == ()
