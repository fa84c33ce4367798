"""A picture of a ramp: latency and frames a second, against the number of viewers."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Curves = Mapping[str, Sequence[float]]
"""Values for 1, 2, ... viewers by what they are; inf is left out."""


def plot(path: Path, title: str, panels: tuple[Curves, Curves], budget: float) -> None:
    """Writes a PNG: the first panel with a line at the budget, the second below it."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, curves in zip((upper, lower), panels, strict=True):
        for name, values in curves.items():
            known = [(at, value) for at, value in enumerate(values, 1) if math.isfinite(value)]
            axes.plot([at for at, _ in known], [value for _, value in known], "o-", label=name)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
    upper.axhline(budget, color="red", linestyle="--", label="budget")
    for axes in (upper, lower):
        axes.legend()
    lower.set_xlabel("viewers")
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title)
    figure.savefig(path)
