"""Percentiles of what was measured."""

import math
from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank, of ascending values; inf of none."""
    if not ordered:
        return math.inf
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]
