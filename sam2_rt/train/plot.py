"""The curve of learning as a picture."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from sam2_rt.train.log import Line

SMOOTHED = 0.9
"""Share of the running mean of the loss that stays from line to line."""

mpl.use("Agg")


def draw(lines: Sequence[Line], path: Path) -> None:
    """Loss above, validation below, over steps; dashed lines where clips get longer."""
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
        scores = [score for _, score in points if score is not None]
        below.plot(at, scores, "o-", color=colour, label=label, markersize=3)
    below.set(xlabel="step", ylabel="IoU, made-up samples never learned from", ylim=(0, 1))
    below.legend(loc="lower right", frameon=False)
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
