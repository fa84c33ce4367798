"""The plot of interactive evaluation: quality by the number of frames that were clicked in."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


class Line(NamedTuple):
    """Means over all objects, for 1, 2 ... clicked frames."""

    name: str
    values: tuple[float, ...]
    """0..1"""


def write_plot(path: Path, title: str, lines: Sequence[Line], what: str = "J&F") -> None:
    """Writes a PNG with a curve for each line."""
    figure = Figure(figsize=(6, 4.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for line, marker in zip(lines, "osd^v" * len(lines), strict=False):
        axes.plot(range(1, len(line.values) + 1), line.values, marker=marker, label=line.name)
    axes.set_xlabel("annotated frames, 3 clicks each")
    axes.set_ylabel(f"mean {what}")
    axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
