"""The curve of learning as a picture."""

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from sam2_rt.train.log import Line

SMOOTHED = 0.9
"""Share of the running mean of the loss that stays from line to line."""

COLOURS: Final = ("#6a3d9a", "#1f1f1f", "#b15928", "#0f7fbf")
"""Of evaluations."""
EMPTY: Final[Mapping[str, "Points"]] = MappingProxyType({})

mpl.use("Agg")


Points = Sequence[tuple[int, float]]
"""Step and value."""


def draw(lines: Sequence[Line], path: Path, scores: Mapping[str, Points] = EMPTY) -> None:
    """Loss above, validation below, over steps; dashed lines where clips get longer.

    `scores` by their labels are what was evaluated on the way.
    """
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    learned = [(line.step, line.loss) for line in lines if line.loss is not None]
    steps, losses = [step for step, _ in learned], [loss for _, loss in learned]
    above.plot(steps, losses, color="#c8d3e0", linewidth=0.6)
    above.plot(steps, _smooth(losses), color="#2457a6", linewidth=1.6)
    above.set(ylabel="loss", ylim=(0, None), title=_title(lines))
    for name, colour, label in (
        ("click", "#d1495b", "one click, stills"),
        ("box", "#edae49", "box, stills"),
        ("clip", "#2a9d8f", "mask of frame 0, clips"),
    ):
        points = [(line.step, getattr(line, name)) for line in lines]
        at = [step for step, score in points if score is not None]
        found = [score for _, score in points if score is not None]
        below.plot(at, found, "o-", color=colour, label=label, markersize=3)
    for (label, evaluated), colour in zip(scores.items(), cycle(COLOURS), strict=False):
        below.plot(*zip(*evaluated, strict=True), "s--", color=colour, label=label, markersize=4)
    below.set(xlabel="step", ylabel="IoU, made-up samples never learned from", ylim=(0, 1))
    if scores:
        below.set_ylabel("IoU of made-up samples; evaluations")
    below.legend(loc="upper left" if scores else "lower right", ncols=2, frameon=False)
    changes = [after for before, after in pairwise(lines) if before.frames != after.frames]
    for number, after in enumerate(changes):
        for axes in (above, below):
            axes.axvline(after.step, color="#999999", linestyle="--", linewidth=0.8)
        height = 0.93 - 0.07 * (number % 3)  # short stages stand close together
        above.annotate(f" {after.frames} frames", (after.step, above.get_ylim()[1] * height))
    for axes in (above, below):
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _smooth(values: Sequence[float]) -> list[float]:
    smooth: list[float] = []
    for value in values:
        before = smooth[-1] if smooth else value
        smooth.append(SMOOTHED * before + (1 - SMOOTHED) * value)
    return smooth


def _title(lines: Sequence[Line]) -> str:
    return f"{lines[-1].step} steps in {lines[-1].hours:.1f} hours" if lines else "nothing yet"
