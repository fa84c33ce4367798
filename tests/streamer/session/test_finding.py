import numpy as np
import pytest
from numpy.typing import NDArray

from sam2_rt.tracking.prompt import Point
from streamer.session.finding import Guess, How, choose, free_ids, grid

SIDE = 64


def guess(left: int, top: int, size: int, *, iou: float = 0.9) -> Guess:
    """A square."""
    logits = np.full((SIDE, SIDE), -5, np.float32)
    logits[top : top + size, left : left + size] = 5
    return Guess(Point(0.5, 0.5), iou, logits)


def found(*guesses: Guess, how: How = How.GRID, room: int = 9, taken: tuple = ()) -> list[int]:
    chosen = choose(guesses, taken, how, room)
    return [next(i for i, g in enumerate(guesses) if g is c) for c in chosen]


def test_a_grid_has_its_points_in_the_middle_of_its_cells():
    assert grid(2) == [Point(0.25, 0.25), Point(0.75, 0.25), Point(0.25, 0.75), Point(0.75, 0.75)]
    assert len(grid(8)) == 64


def test_what_is_unsure_too_small_or_too_large_is_left_out():
    assert found(guess(10, 10, 12, iou=0.79), guess(10, 10, 2), guess(0, 0, 60)) == []
    assert found(guess(0, 0, 0)) == []
    assert found(guess(10, 10, 12, iou=0.8)) == [0]


def test_where_no_point_is_sure_two_have_to_agree():
    first, second = guess(10, 10, 12, iou=0.5), guess(11, 10, 12, iou=0.6)
    assert found(first, second) == [1]
    assert found(first, guess(16, 10, 12, iou=0.6)) == []
    assert found(guess(10, 10, 12, iou=0.49), guess(11, 10, 12, iou=0.49)) == []
    agreed = [guess(40, 40, 12, iou=0.6) for _ in range(4)]
    assert found(guess(10, 10, 12, iou=0.9), *agreed)[0] == 1, "four voices are more than one"


def test_the_surest_of_those_that_overlap_stays():
    assert found(guess(10, 10, 12, iou=0.8), guess(12, 11, 12, iou=0.9)) == [1]
    assert found(guess(10, 10, 20, iou=0.9), guess(12, 12, 6, iou=0.8)) == [0], "a part of it"
    assert found(guess(10, 10, 12, iou=0.8), guess(40, 40, 12, iou=0.9)) == [1, 0]


def test_what_is_tracked_already_is_not_found_again():
    tracked: NDArray[np.bool_] = guess(10, 10, 12).mask
    assert found(guess(11, 10, 12), guess(40, 40, 12), taken=(tracked,)) == [1]
    hidden = np.zeros((SIDE, SIDE), bool)
    assert found(guess(11, 10, 12), taken=(hidden,)) == [0]


def test_the_largest_is_one_and_the_largest():
    guesses = (guess(0, 0, 8, iou=0.99), guess(10, 10, 20), guess(40, 40, 12))
    assert found(*guesses, how=How.LARGEST) == [1]
    assert found(*guesses, how=How.LARGEST, taken=(guesses[1].mask,)) == [2]
    assert found(how=How.LARGEST) == []


@pytest.mark.parametrize("room", [0, 1, 2])
def test_no_more_are_found_than_there_is_room_for(room: int):
    squares = [guess(20 * i, 20, 10) for i in range(3)]
    assert len(found(*squares, room=room)) == room
    assert len(found(*squares, room=room, how=How.LARGEST)) == min(room, 1)


def test_the_lowest_free_numbers_are_taken():
    assert free_ids([], 2) == [1, 2]
    assert free_ids([2, 1, 5], 3) == [3, 4, 6]
    assert free_ids([1, 2], 0) == []
