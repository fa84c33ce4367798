from streamer.session.recent import KEPT_S, MAX_KEPT, Recent
from streamer.session.stats import Percentiles


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_what_is_long_ago_does_not_count_however_few_frames_came_since():
    clock = Clock()
    recent = Recent(clock)
    for _ in range(200):
        recent.add(0.5)
    assert recent.percentiles().p50 == 500
    clock.now_s += KEPT_S - 1
    recent.add(0.02)
    clock.now_s += 2
    assert recent.percentiles() == Percentiles(p50=20, p95=20)
    clock.now_s += KEPT_S
    assert recent.percentiles() == Percentiles(p50=None, p95=None)


def test_percentiles_are_of_those_that_are_kept():
    recent = Recent(Clock())
    for milliseconds in range(100):
        recent.add(milliseconds / 1000)
    assert recent.percentiles() == Percentiles(p50=50, p95=95)


def test_no_more_are_kept_than_the_bound_however_fast_they_come():
    recent = Recent(Clock())
    for _ in range(MAX_KEPT):
        recent.add(1.0)
    for _ in range(MAX_KEPT):
        recent.add(2.0)
    assert recent.percentiles().p50 == 2000
    assert len(recent._kept) == MAX_KEPT
