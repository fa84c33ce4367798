import pytest

from streamer.session.admission import Full
from streamer.session.pace import WINDOW_S, Pace


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_slowest_of_twenty_steps_says_how_much_of_the_budget_is_used():
    pace = Pace(budget_ms=40)
    for _ in range(19):
        pace.add(0.01)
    assert pace.share == 0.0, "too few to tell"
    pace.add(0.03)
    assert pace.share == pytest.approx(0.75)
    pace.check(retry_after_s=5)


def test_over_the_budget_nobody_new_is_let_in_until_it_is_over():
    clock = Clock()
    pace = Pace(40, clock)
    for _ in range(20):
        pace.add(0.05)
    with pytest.raises(Full, match="no time left") as caught:
        pace.check(retry_after_s=7)
    assert (caught.value.retry_after_s, caught.value.kind) == (7, "full")
    clock.now_s += WINDOW_S + 1
    pace.check(retry_after_s=7)


def test_without_a_budget_the_pace_does_not_matter():
    pace = Pace(None)
    for _ in range(30):
        pace.add(60.0)
    assert pace.share == 0.0
