"""Pictures of what was measured: two panels of curves, one above the other."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_HEADROOM: Final = 1.25
"""Above the highest value: matplotlib leaves a twentieth of how far values lie apart, which is
nothing over a flat line."""

Curves = Mapping[str, Sequence[float]]
"""Values by what they are, at the first places of the panel; those that are not finite are left
out."""


def plot(
    path: Path,
    title: str,
    places: tuple[str, Sequence[float]],
    panels: tuple[Curves, Curves],
    budget: float | None = None,
) -> None:
    """Writes a PNG: values over places, which have a name; a line at the budget in the first."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, curves in zip((upper, lower), panels, strict=True):
        for name, values in curves.items():
            known = [(at, v) for at, v in zip(places[1], values, strict=False) if math.isfinite(v)]
            axes.plot([at for at, _ in known], [value for _, value in known], ".-", label=name)
        axes.set_ylim(0, top(curves, budget if axes is upper else None))
        axes.grid(visible=True, alpha=0.3)
    if budget is not None:
        upper.axhline(budget, color="black", linestyle="--", label="budget")
    for axes in (upper, lower):
        axes.legend()
    lower.set_xlabel(places[0])
    lower.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    figure.savefig(path)


def top(curves: Curves, budget: float | None = None) -> float:
    """Where the axis of a panel ends: well above all that is drawn in it."""
    values = [value for values in curves.values() for value in values if math.isfinite(value)]
    if budget is not None and math.isfinite(budget):
        values.append(budget)
    return _HEADROOM * max(values, default=0) or 1
