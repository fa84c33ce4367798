import random
import statistics

import pytest

from load.demand import Demand


def test_viewers_come_as_often_as_the_rate_says():
    demand = Demand(hours=4, peak_per_s=1)
    step_s = 10
    expected = sum(demand.rate(at_s) * step_s for at_s in range(0, 4 * 3600, step_s))
    came = len(list(demand.arrivals(random.Random(1))))
    assert came == pytest.approx(expected, rel=0.03)


def test_they_come_in_order_and_within_the_hours():
    times = list(Demand(hours=1).arrivals(random.Random(2)))
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < 3600


def test_the_burst_multiplies_the_wave():
    with_burst, without = Demand(burst=3), Demand(burst=1)
    inside = 0.25 * with_burst.seconds + 1
    assert with_burst.rate(inside) == pytest.approx(3 * without.rate(inside))
    assert with_burst.rate(inside - 2) == without.rate(inside - 2)
    assert with_burst.rate(inside + 1200) == without.rate(inside + 1200)


def test_stays_have_the_mean_that_was_asked_for():
    chance = random.Random(3)
    stays = [Demand().stay_s(chance) for _ in range(40_000)]
    assert statistics.fmean(stays) == pytest.approx(480, rel=0.03)
    assert statistics.median(stays) < 480 / 1.5
