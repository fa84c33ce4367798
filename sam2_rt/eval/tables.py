"""Results as tables for a terminal, and as the numbers of a record."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Table

from sam2_rt.eval.absence import Absence
from sam2_rt.eval.image import PromptScore
from sam2_rt.eval.interactive_suite import InteractiveResult
from sam2_rt.eval.plot import Line
from sam2_rt.eval.record import Number
from sam2_rt.eval.suites import (
    ImageResult,
    StreamResult,
    VosResult,
    mean_jf,
    mean_of,
)
from sam2_rt.eval.vos import ObjectScore


class Shown(NamedTuple):
    """A result in both forms."""

    table: Table
    numbers: tuple[Number, ...]


def show_vos(results: Sequence[VosResult], title: str) -> Shown:
    """A row a video and the mean over all objects; a column J&F for each further method."""
    first, *others = results
    columns = ("objects", "J", "F", "J&F", "ghost", *(o.method for o in others))
    table = _table(title, "video", *columns)
    for video, ghost in zip(first.videos, first.ghosts, strict=True):
        also = [[o for o in other.objects if o.video == video.video] for other in others]
        cells = (*_j_and_f(video.objects), _percent(ghost.share))
        table.add_row(video.video, *cells, *(_jf(objects) for objects in also))
    table.add_section()
    means = (*_j_and_f(first.objects), _percent(first.ghost.share))
    also_all = [_jf(other.objects) for other in others]
    table.add_row("mean over objects", *means, *also_all, style="bold")
    numbers = (
        Number("objects", len(first.objects)),
        Number("J", mean_of(score.j for score in first.objects)),
        Number("F", mean_of(score.f for score in first.objects)),
        Number("J&F", mean_jf(first.objects)),
        Number("ghost", first.ghost.share),
        *(
            number
            for other in others
            for number in (
                Number(f"J&F of {other.method}", mean_jf(other.objects)),
                Number(f"ghost of {other.method}", other.ghost.share),
            )
        ),
    )
    return Shown(table, numbers)


def show_absence(absences: Sequence[tuple[str, Absence]], title: str) -> Shown:
    """A row a method."""
    columns = ("absent frames", "false masks", "returns", "reacquired", "mean delay, frames")
    table = _table(title, "method", *columns)
    for method, absence in absences:
        table.add_row(
            method,
            str(absence.absent_frames),
            _percent(absence.false_share),
            str(absence.returns),
            _percent(absence.reacquired_share),
            "" if absence.mean_delay_frames is None else f"{absence.mean_delay_frames:.1f}",
        )
    (_, first), *others = absences
    numbers = [
        Number("absent frames", first.absent_frames),
        Number("with a false mask", first.false_share),
        Number("returns", first.returns),
        Number("reacquired", first.reacquired_share),
        Number("mean delay, frames", first.mean_delay_frames),
    ]
    for method, absence in others:
        numbers += [
            Number(f"with a false mask, {method}", absence.false_share),
            Number(f"reacquired, {method}", absence.reacquired_share),
        ]
    return Shown(table, tuple(numbers))


def show_image(result: ImageResult, title: str) -> Shown:
    """A row a picture and the mean over all objects."""
    small = f", {result.num_small} too small" if result.num_small else ""
    title = f"{title}: {len(result.objects)} objects{small}, IoU"
    table = _table(title, "picture", "objects", "1 click", "5 clicks", "box")
    for name in dict.fromkeys(score.picture for score in result.objects):
        means = _prompt_means([s for s in result.objects if s.picture == name])
        table.add_row(name, *(_show(mean) for mean in means))
    table.add_section()
    means = _prompt_means(result.objects)
    table.add_row("mean over objects", *(_show(mean) for mean in means), style="bold")
    names = ("objects", "1-click mIoU", "5-click mIoU", "box mIoU")
    numbers = (Number(name, value) for name, value in zip(names, means, strict=True))
    return Shown(table, (*numbers, Number("too small", result.num_small)))


def show_interactive(result: InteractiveResult, title: str) -> Shown:
    """A row a number of clicked frames."""
    modes = list(result.curves)
    table = _table(title, "clicked frames", *(f"{m}, {q}" for m in modes for q in ("IoU", "J&F")))
    lines = [
        mean
        for curves in result.curves.values()
        for mean in (_mean_curve([c.iou for c in curves]), _mean_curve([c.jf for c in curves]))
    ]
    for place, values in enumerate(zip(*lines, strict=True)):
        table.add_row(str(place + 1), *(_show(value) for value in values))
    numbers = [Number("objects", result.num_objects)]
    for mode, line in zip(modes, lines[1::2], strict=True):
        numbers += [
            Number(f"{mode} J&F, frames: {place + 1}", line[place])
            for place in sorted({0, 2, len(line) - 1} & set(range(len(line))))
        ]
    return Shown(table, tuple(numbers))


def curves_of(result: InteractiveResult) -> tuple[Line, ...]:
    """Mean J&F over objects, for the plot."""
    modes = result.curves.items()
    return tuple(Line(mode, _mean_curve([curve.jf for curve in found])) for mode, found in modes)


def show_streams(results: Mapping[str, Sequence[StreamResult]], title: str) -> Shown:
    """A row for each way in which the frames arrive; two columns for each method, by its name."""
    own, *others = results.values()
    table = _table(title, "frames", "objects", "J&F where they arrive", "J&F, last mask held")
    for method in list(results)[1:]:
        table.add_column(f"{method}, where they arrive", justify="right")
        table.add_column(f"{method}, held", justify="right")
    numbers = []
    for place, result in enumerate(own):
        row = [result, *(other[place] for other in others)]
        means = [mean for one in row for mean in (mean_jf(one.arrived), mean_jf(one.held))]
        delivery = result.delivery.name
        table.add_row(delivery, str(len(result.held)), *map(_show, means))
        suffixes = ["", *(f", {method}" for method in list(results)[1:])]
        names = [f"{delivery}{held}{suffix}" for suffix in suffixes for held in ("", ", held")]
        numbers += [Number(n, _known(mean)) for n, mean in zip(names, means, strict=True)]
    return Shown(table, tuple(numbers))


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _j_and_f(objects: Sequence[ObjectScore]) -> tuple[str, str, str, str]:
    j, f = mean_of(score.j for score in objects), mean_of(score.f for score in objects)
    return str(len(objects)), _show(j), _show(f), _jf(objects)


def _jf(objects: Sequence[ObjectScore]) -> str:
    return _show(mean_jf(objects))


def _prompt_means(objects: Sequence[PromptScore]) -> tuple[float, float, float, float]:
    return (
        len(objects),
        mean_of(score.click for score in objects),
        mean_of(score.clicks5 for score in objects),
        mean_of(score.box for score in objects),
    )


def _mean_curve(curves: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(mean_of(values) for values in zip(*curves, strict=True))


def _show(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "" if math.isnan(value) else f"{value:.3f}"


def _known(value: float) -> float | None:
    """None for NaN, the mean of nothing: in a short clip no frame may arrive to be judged in."""
    return None if math.isnan(value) else value


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
