import pytest
from prometheus_client import CollectorRegistry, Counter

from streamer.telemetry.metrics_maker import Bounded, Maker


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_all_series_are_there_before_the_first_event(registry: CollectorRegistry):
    Maker(registry).counters("drinks_total", "Drinks.", kind=("tea", "milk"), size=("small",))
    samples = [s for family in registry.collect() for s in family.samples]
    counts = {tuple(s.labels.values()): s.value for s in samples if s.name.endswith("_total")}
    kinds = ("tea", "milk", "other")
    assert counts == {(kind, size): 0 for kind in kinds for size in ("small", "other")}


def test_a_value_that_is_not_known_is_another(registry: CollectorRegistry):
    drinks = Bounded(Counter("drinks", "Drinks.", ["kind"], registry=registry), ("tea",))
    drinks.labels("tea").inc()
    for number in range(1000):
        drinks.labels(f"punch {number}").inc()
    assert registry.get_sample_value("drinks_total", {"kind": "tea"}) == 1
    assert registry.get_sample_value("drinks_total", {"kind": "other"}) == 1000
    with pytest.raises(ValueError, match="argument"):
        drinks.labels("tea", "large")
