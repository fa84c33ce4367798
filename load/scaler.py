"""Scaler: how many pods a HorizontalPodAutoscaler would ask for, with the chart's behaviour."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

TICK_S: Final = 15.0
"""Of Kubernetes' controller, and of the chart's KEDA trigger."""
TOLERANCE: Final = 0.1
"""Kubernetes' default: so near to the target nothing is done."""
_STEP_UP: Final = 4
_SHRINK: Final = 0.1
_SHRINK_PERIOD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Rule:
    """The chart's `autoscaling` values."""

    per_pod: float
    """Sessions aimed at."""
    least: int = 2
    most: int = 200
    down_after_s: float = 600.0
    """scaleDownStabilizationSeconds."""


def wanted(demand: float, per_pod: float, current: int) -> int:
    """Pods for a sum of sessions, by the AverageValue formula of autoscaling/v2."""
    if current and abs(demand / (per_pod * current) - 1) <= TOLERANCE:
        return current
    return math.ceil(demand / per_pod)


class Scaler:
    """Remembers what it wanted, and what it took away."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        kept = max(1, math.ceil(rule.down_after_s / TICK_S))
        self._wants: deque[int] = deque(maxlen=kept)
        """Of the last down_after_s; the highest holds."""
        self._removed: deque[tuple[float, int]] = deque(maxlen=8)
        """When, and how many; a minute has four ticks."""

    def decide(self, demand: float, current: int, now_s: float) -> int:
        """Pods to have from now on; called once a tick."""
        rule = self._rule
        want = wanted(demand, rule.per_pod, current)
        self._wants.append(want)
        if want < current:
            want = min(current, max(self._wants))
        want = min(rule.most, max(rule.least, want))
        if want > current:
            return min(want, max(current + _STEP_UP, 2 * current))  # 4 pods or 100 % in a tick
        recent = sum(count for at_s, count in self._removed if at_s > now_s - _SHRINK_PERIOD_S)
        want = max(want, math.floor((current + recent) * (1 - _SHRINK)))
        want = min(want, current)
        if want < current:
            self._removed.append((now_s, current - want))
        return want
