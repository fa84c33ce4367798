import pytest

from load.scaler import TICK_S, Rule, Scaler, wanted


@pytest.mark.parametrize(
    ("demand", "per_pod", "current", "pods"),
    [
        (0.0, 4.2, 3, 0),
        (4.2, 4.2, 1, 1),
        (42.0, 4.2, 5, 10),
        (42.1, 4.2, 5, 11),
        (46.0, 4.2, 10, 10),  # 1.095 times the target: within a tenth
        (46.5, 4.2, 10, 12),
        (38.0, 4.2, 10, 10),
        (37.7, 4.2, 10, 9),
        (10.0, 4.2, 0, 3),
    ],
)
def test_the_formula_is_that_of_kubernetes(demand: float, per_pod: float, current: int, pods: int):
    assert wanted(demand, per_pod, current) == pods


def grown(demand: float, current: int) -> list[int]:
    """Pods after each tick of a demand that came all at once."""
    scaler, counts = Scaler(Rule(per_pod=1, most=50)), [current]
    for tick in range(5):
        counts.append(scaler.decide(demand, counts[-1], tick * TICK_S))
    return counts


def test_it_grows_by_four_pods_or_twofold_a_tick_up_to_the_most():
    assert grown(45, 2) == [2, 6, 12, 24, 45, 45]
    assert grown(90, 20) == [20, 40, 50, 50, 50, 50]


def shrunk(demand: float, current: int, down_after_s: float, ticks: int) -> list[int]:
    rule = Rule(per_pod=1, down_after_s=down_after_s)
    scaler, counts = Scaler(rule), [current]
    scaler.decide(current, current, 0.0)
    for tick in range(1, ticks):
        counts.append(scaler.decide(demand, counts[-1], tick * TICK_S))
    return counts


def test_it_shrinks_by_a_tenth_a_minute():
    assert shrunk(5, 40, 0, 9) == [40, 36, 36, 36, 36, 32, 32, 32, 32]


def test_it_shrinks_only_after_the_quiet_time():
    counts = shrunk(5, 40, 60, 6)
    assert counts == [40, 40, 40, 40, 36, 36]


def test_it_keeps_the_least():
    assert shrunk(0, 3, 0, 20)[-1] == 2
