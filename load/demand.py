"""Demand of a simulated day: when viewers come, and how long they stay."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Demand:
    """A day's wave with one burst on its way up. Rates are of viewers who come."""

    hours: float = 12.0
    peak_per_s: float = 0.35
    """In the middle, without the burst."""
    trough: float = 0.2
    """Rate at both ends, of the peak's."""
    burst: float = 3.0
    """Times the wave's rate, for burst_s."""
    burst_at: float = 0.25
    """Of the hours."""
    burst_s: float = 1200.0
    mean_stay_s: float = 480.0
    sigma: float = 1.0
    """Of the logarithm of a stay: most are short, some last for an hour."""

    @property
    def seconds(self) -> float:
        """For which viewers come."""
        return 3600 * self.hours

    def rate(self, at_s: float) -> float:
        """Viewers a second who come at this time."""
        wave = math.sin(math.pi * at_s / self.seconds) ** 2
        is_burst = 0 <= at_s - self.burst_at * self.seconds < self.burst_s
        per_s = self.peak_per_s * (self.trough + (1 - self.trough) * wave)
        return per_s * (self.burst if is_burst else 1.0)

    def arrivals(self, chance: random.Random) -> Iterator[float]:
        """Times in seconds, ascending: a Poisson process of that rate, by thinning."""
        most = self.peak_per_s * max(1.0, self.burst)
        at_s = chance.expovariate(most)
        while at_s < self.seconds:
            if chance.random() * most < self.rate(at_s):
                yield at_s
            at_s += chance.expovariate(most)

    def stay_s(self, chance: random.Random) -> float:
        """Log-normal, of this mean."""
        middle = math.log(self.mean_stay_s) - self.sigma**2 / 2
        return chance.lognormvariate(middle, self.sigma)
