import math
from dataclasses import replace

import pytest

from load.autoscale import Counts, Scenario, cases, row, simulate
from load.demand import Demand
from load.fleet import Placement, Victim

SEEDS = range(2)
MORNING = Scenario(Demand(hours=4))
"""Of a day as by default, but shorter; what holds for it is deterministic."""
FLAT = Demand(hours=150, peak_per_s=10 / 480, trough=1, burst=1)
"""Ten viewers on average, in a fleet that has room for all."""


def erlang_b(offered: float, places: int) -> float:
    """Share of calls that find all places taken (Erlang 1917)."""
    blocked = 1.0
    for count in range(1, places + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_a_fleet_of_fixed_size_refuses_what_erlang_says(sigma: float):
    fixed = Scenario(replace(FLAT, sigma=sigma), places=4, least=3, most=3)
    counts = simulate(fixed, [0])
    assert counts.refused_share == pytest.approx(erlang_b(10, 12), abs=0.012)
    assert counts.pods == pytest.approx(3)
    assert counts.disturbed == 0


def test_a_fleet_that_is_large_enough_refuses_nobody_and_is_used_as_little_says():
    counts = simulate(Scenario(FLAT, places=10, least=5, most=5), [0])
    assert counts.refused == 0
    assert counts.used(10) == pytest.approx(10 / 50, rel=0.05)
    assert counts.came == pytest.approx(150 * 3600 * 10 / 480, rel=0.05)


def test_the_same_seed_gives_the_same_day_and_choices_change_nobody_s_coming():
    counts = simulate(MORNING, [0])
    assert simulate(MORNING, [0]) == counts
    assert simulate(MORNING, [1]) != counts
    other = replace(MORNING, victim=Victim.RANDOM, placement=Placement.RANDOM, target=0.9)
    assert simulate(other, [0]).came == counts.came


def test_start_delay_decides_who_is_refused_at_the_same_price():
    quick, usual, slow = (
        simulate(replace(MORNING, start_s=start_s), SEEDS) for start_s in (30.0, 180.0, 420.0)
    )
    assert quick.refused < usual.refused < slow.refused
    assert slow.refused > 30 * max(1, quick.refused)
    assert slow.pods == pytest.approx(quick.pods, rel=0.1)


def test_a_lower_target_refuses_fewer_and_costs_pods():
    costly, usual, cheap = (
        simulate(replace(MORNING, target=target), SEEDS) for target in (0.5, 0.7, 0.9)
    )
    assert costly.refused < usual.refused < cheap.refused
    assert costly.pods > usual.pods > cheap.pods


def test_the_emptiest_of_packed_pods_disturbs_80_times_fewer_than_a_random_one():
    best = simulate(MORNING, SEEDS)
    random_one = replace(MORNING, victim=Victim.RANDOM, placement=Placement.RANDOM)
    worst = simulate(random_one, SEEDS)
    assert worst.disturbed > 100
    assert worst.disturbed >= 80 * best.disturbed
    assert worst.refused_share == pytest.approx(best.refused_share, abs=0.005)


def test_a_long_grace_kills_fewer_and_moving_kills_none():
    rough = replace(MORNING, victim=Victim.RANDOM, placement=Placement.RANDOM)
    short, long = (simulate(replace(rough, grace_s=grace_s), SEEDS) for grace_s in (60.0, 3600.0))
    moving = simulate(replace(rough, grace_s=60.0, is_moving=True), SEEDS)
    assert short.killed > long.killed
    assert short.killed > 10 * moving.killed
    assert moving.disturbed > 0
    assert long.pod_s > short.pod_s


def test_who_tries_again_gets_in_more_often():
    hurried = replace(MORNING, start_s=420.0)
    patient = replace(hurried, patience_s=120.0)
    assert simulate(patient, [0]).refused < simulate(hurried, [0]).refused


def test_counts_are_added_and_shown():
    both = Counts(100, 10, 9, 3, 300.0, 600.0, 60.0) + Counts(100, 10, 9, 3, 300.0, 600.0, 60.0)
    assert both == Counts(200, 20, 18, 6, 600.0, 1200.0, 120.0)
    assert row("a day", both, 2) == "| a day | 10.00 | 100.0 | 33.3 | 10.0 | 0.25 |"
    assert math.isclose(Counts().refused_share, 0)


def test_cases_change_one_thing_and_have_names_of_their_own():
    found = list(cases(MORNING))
    assert len({words for words, _ in found}) == len({scenario for _, scenario in found})
    assert len(found) == len({words for words, _ in found}) > 15
