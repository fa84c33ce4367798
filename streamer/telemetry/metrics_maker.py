"""Maker: makes the series of a registry, with all values that their labels may have."""

from collections.abc import Iterable
from itertools import product
from typing import Final, Generic, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

OTHER: Final = "other"
"""Stands for every value of a label that is not known."""

Several = Literal["livesum", "livemax", "livemin"]

# Otherwise each series of a counter has a second one, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

M = TypeVar("M", Counter, Gauge, Histogram)


class Bounded(Generic[M]):
    """A metric with labels, all of whose series are there from the start."""

    def __init__(self, metric: M, *known: Iterable[str]) -> None:
        self._known = [_with_other(values) for values in known]
        """The values of each label, without repetitions."""
        self._children: dict[tuple[str, ...], M] = {
            values: metric.labels(*values) for values in product(*self._known)
        }

    def labels(self, *wanted: str) -> M:
        """The series of these values; of `other` for each that is not known."""
        child = self._children.get(wanted)
        if child is not None:
            return child
        pairs = zip(wanted, self._known, strict=True)
        return self._children[tuple(value if value in values else OTHER for value, values in pairs)]


def _with_other(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*values, OTHER)))


class Maker:
    """Its plural methods make one series for each combination of the labels' values."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, meaning: str) -> Counter:
        """Of a name that ends with _total."""
        return Counter(f"streamer_{name}", meaning, registry=self._registry)

    def counters(self, name: str, meaning: str, **labels: Iterable[str]) -> Bounded[Counter]:
        """Of a name that ends with _total."""
        metric = Counter(f"streamer_{name}", meaning, tuple(labels), registry=self._registry)
        return Bounded(metric, *labels.values())

    def gauge(self, name: str, meaning: str, several: Several = "livesum") -> Gauge:
        """Of a name that ends with its unit; `several`: what counts of several media workers."""
        name = f"streamer_{name}"
        return Gauge(name, meaning, registry=self._registry, multiprocess_mode=several)

    def gauges(self, name: str, meaning: str, **labels: Iterable[str]) -> Bounded[Gauge]:
        """Of a name that ends with its unit."""
        metric = Gauge(
            f"streamer_{name}",
            meaning,
            tuple(labels),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        return Bounded(metric, *labels.values())

    def histogram(self, name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
        """Buckets in the unit that the name ends with."""
        return Histogram(f"streamer_{name}", meaning, buckets=buckets, registry=self._registry)

    def histograms(
        self, name: str, meaning: str, buckets: tuple[float, ...], **labels: Iterable[str]
    ) -> Bounded[Histogram]:
        """Buckets in the unit that the name ends with."""
        metric = Histogram(
            f"streamer_{name}", meaning, tuple(labels), buckets=buckets, registry=self._registry
        )
        return Bounded(metric, *labels.values())
