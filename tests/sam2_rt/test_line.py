import pytest

from sam2_rt.line import MAX_WINDOW_S, Line, window_s


def line_of(max_batch: int = 4, waiting: str = "") -> Line[str]:
    line = Line[str](max_batch)
    for who in waiting:
        line.add(who, who)
    return line


def test_without_anybody_nothing_is_due():
    assert not line_of().is_due
    line = line_of()
    line.open_window(["a"])
    line.close_window()
    assert not line.is_due


def test_whoever_comes_while_nobody_else_is_expected_goes_at_once():
    assert line_of(waiting="a").is_due


def test_those_who_wait_let_those_catch_up_who_were_just_answered():
    line = line_of(waiting="ab")
    line.open_window(["c", "d"])
    assert not line.is_due
    line.add("c", "c")
    assert not line.is_due
    line.add("d", "d")
    assert line.is_due
    assert line.take() == ["a", "b", "c", "d"]


def test_whoever_does_not_come_back_is_not_waited_for_after_the_window():
    line = line_of(waiting="a")
    line.open_window(["b"])
    line.close_window()
    assert line.is_due
    assert line.take() == ["a"]


def test_whoever_came_back_before_the_window_opened_is_not_expected():
    line = line_of(waiting="ab")
    line.open_window(["a", "b"])
    assert line.is_due


def test_a_full_tick_waits_for_nobody():
    line = line_of(max_batch=2, waiting="ab")
    line.open_window(["c"])
    assert line.is_due
    assert line.take() == ["a", "b"]
    assert not line.is_expecting


def test_the_oldest_go_first():
    line = line_of(max_batch=2, waiting="abcdef")
    answered = []
    for _ in range(3):
        taken = line.take()
        for who in taken:
            line.add(who, who)
        answered.append(taken)
    assert answered == [["a", "b"], ["c", "d"], ["e", "f"]]


def test_what_does_not_fit_beside_the_oldest_waits_for_the_next_tick():
    line = line_of(max_batch=4)
    for who, num_frames in (("a", 3), ("b", 2), ("c", 1)):
        line.add(who, who, num_frames)
    assert line.take() == ["a"]
    assert line.take() == ["b", "c"]


def test_who_has_more_than_fits_goes_alone():
    line = line_of(max_batch=2)
    line.add("a", "a", num_frames=3)
    line.add("b", "b")
    assert line.take() == ["a"]
    assert line.take() == ["b"]


def test_who_has_gone_is_neither_taken_nor_expected():
    line = line_of(waiting="ab")
    line.open_window(["c"])
    line.leave("c")
    line.leave("a")
    assert line.is_due
    assert line.take_all() == ["b"]
    assert len(line) == 0


@pytest.mark.parametrize(("tick_s", "expected_s"), [(0.0, 0.0), (0.02, 0.001), (3.0, MAX_WINDOW_S)])
def test_a_window_is_a_small_part_of_a_tick(tick_s: float, expected_s: float):
    assert window_s(tick_s) == pytest.approx(expected_s)
