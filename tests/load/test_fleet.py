import random

import pytest

from load.fleet import ASKED_PODS, Fleet, Placement, Pod, Victim, bucket
from streamer.fleet.hop import MAX_ASKED


def fleet(loads: list[int], placement: Placement, victim: Victim) -> Fleet:
    """Pods of four places, ready, with so many sessions each; the oldest first."""
    made = Fleet(4, placement, victim, random.Random(0))
    made.grow(len(loads), 0.0, 0.0)
    for pod, load in zip(made.pods, loads, strict=True):
        pod.sessions.update(range(10 * pod.number, 10 * pod.number + load))
    return made


def number_of(pod: Pod | None) -> int | None:
    return None if pod is None else pod.number


@pytest.mark.parametrize(("placement", "number"), [(Placement.PACK, 1), (Placement.SPREAD, 2)])
def test_the_next_viewer_goes_where_the_placement_says(placement: Placement, number: int):
    pods = fleet([4, 3, 0, 3], placement, Victim.EMPTIEST)
    assert number_of(pods.place(0.0)) == number


def test_at_random_every_pod_with_room_has_its_turn():
    pods = fleet([4, 3, 0, 3], Placement.RANDOM, Victim.EMPTIEST)
    assert {number_of(pods.place(0.0)) for _ in range(50)} == {1, 2, 3}


def test_a_service_that_asks_some_packs_them_and_may_miss_the_one_with_room():
    few = fleet([4, 3, 0, 3], Placement.ASKED, Victim.EMPTIEST)
    assert {number_of(few.place(0.0)) for _ in range(50)} == {1, 3}  # of equals any
    many = fleet([4] * 40 + [0], Placement.ASKED, Victim.EMPTIEST)
    found = [number_of(many.place(0.0)) for _ in range(200)]
    assert set(found) == {None, 40}
    assert 200 * 9 / 41 / 2 < found.count(40) < 200 * 9 / 41 * 2


def test_it_asks_as_many_as_the_service():
    assert ASKED_PODS == 1 + MAX_ASKED


def test_nobody_is_placed_in_a_full_fleet_or_in_a_pod_that_starts():
    pods = fleet([4, 4], Placement.SPREAD, Victim.EMPTIEST)
    assert pods.place(0.0) is None
    pods.grow(1, 0.0, start_s=60.0)
    assert pods.place(59.0) is None
    assert number_of(pods.place(60.0)) == 2


def goers(loads: list[int], victim: Victim, count: int = 1) -> list[int]:
    pods = fleet(loads, Placement.PACK, victim)
    pods.write_costs()
    return [pod.number for pod in pods.shrink(count, 0.0, 60.0)]


def test_the_emptiest_goes_and_of_those_that_cost_the_same_the_newest():
    assert goers([3, 1, 4, 2], Victim.EMPTIEST) == [1]
    assert goers([0, 1, 0, 4], Victim.EMPTIEST, 2) == [2, 0]


def test_without_costs_the_newest_goes():
    assert goers([0, 0, 4], Victim.NEWEST) == [2]


def test_a_random_one_is_not_always_the_same():
    pods = fleet([1] * 20, Placement.PACK, Victim.RANDOM)
    numbers = [pod.number for pod in pods.shrink(20, 0.0, 60.0)]
    assert numbers != sorted(numbers)
    assert pods.pods == []
    assert len(pods.draining) == 20


@pytest.mark.parametrize("victim", Victim)
def test_a_pod_that_starts_goes_before_any_that_serves(victim: Victim):
    pods = fleet([0, 0], Placement.PACK, victim)
    pods.grow(1, 0.0, start_s=60.0)
    (gone,) = pods.shrink(1, 10.0, 60.0)
    assert (gone.number, gone.gone_by_s) == (2, 70.0)


def test_what_came_since_costs_were_written_is_not_known():
    pods = fleet([0, 1], Placement.PACK, Victim.EMPTIEST)
    pods.write_costs()
    pods.pods[0].sessions.update({1, 2, 3})
    (gone,) = pods.shrink(1, 0.0, 60.0)
    assert gone.number == 0


def test_costs_are_quarters_of_the_places():
    assert [bucket(sessions, 8) for sessions in range(9)] == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [bucket(sessions, 1) for sessions in range(2)] == [0, 4]
    assert bucket(9, 8) == 4
