"""`python -m load.ramp`: one viewer more at a time, until p95 of capture-to-mask breaks a budget.

Writes ramp.csv and ramp.png, and prints a row for RESULTS.md. Viewers and encoders of this program
take as much CPU as the service: let it run on another machine, and look at what was sent.
"""

import argparse
import asyncio
import csv
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from load.ramp_plot import plot
from load.viewer import Pattern, Viewer, viewing
from streamer.client import ClientError, ServiceFull


class End(StrEnum):
    """Why no more viewers came."""

    BUDGET = "budget"
    """The last level was too slow."""
    FULL = "full"
    """The service took no more."""
    FAILED = "failed"
    """A viewer could not connect, or its connection was lost."""
    MOST = "most"
    """As many as were asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try."""

    url: str
    pattern: Pattern = field(default_factory=Pattern)
    tracks: int = 1
    budget_ms: float = 150.0
    """Of p95, capture to mask, over the mask frames of all viewers."""
    max_viewers: int = 16
    settle_s: float = 3.0
    """After one more viewer came, in which nothing is counted."""
    seconds: float = 10.0
    """For which each number of viewers is measured."""
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """A number of viewers, and what they got. Milliseconds are from capture to mask."""

    viewers: int
    p50_ms: float
    p95_ms: float
    """inf: masks came for frames that had left too long ago, or none came to one viewer."""
    worst_p95_ms: float
    """Of the viewer who waited the longest."""
    fps: float
    """Mask frames a second and viewer."""
    least_fps: float
    """Of the viewer who got the fewest."""
    sent_fps: float
    """Frames sent a second and viewer; below the pattern's, this program is what is too slow."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """All levels, and why there were no more."""

    plan: Plan
    levels: tuple[Level, ...]
    end: End
    words: str = ""
    """What was said when a viewer did not get in or did not stay."""

    @property
    def held(self) -> Level | None:
        """The last level within the budget."""
        within = [level for level in self.levels if level.p95_ms <= self.plan.budget_ms]
        return within[-1] if within else None


def main() -> None:
    """Reads the command line."""
    pattern, plan = Pattern(), Plan("http://127.0.0.1:8080")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=plan.url)
    parser.add_argument("--width", type=int, default=pattern.width)
    parser.add_argument("--height", type=int, default=pattern.height)
    parser.add_argument("--fps", type=int, default=pattern.fps)
    parser.add_argument("--output", default=pattern.output, help="a mode, as overlay or masks")
    parser.add_argument("--tracks", type=int, default=plan.tracks)
    parser.add_argument("--budget-ms", type=float, default=plan.budget_ms)
    parser.add_argument("--max-viewers", type=int, default=plan.max_viewers)
    parser.add_argument("--settle-s", type=float, default=plan.settle_s)
    parser.add_argument("--seconds", type=float, default=plan.seconds)
    parser.add_argument("--token", default=plan.token)
    parser.add_argument("--out", type=Path, default=Path("out"), help="the folder for the files")
    given = vars(parser.parse_args())
    out = given.pop("out")
    sent = Pattern(**{name: given.pop(name) for name in ("width", "height", "fps", "output")})
    done = asyncio.run(ramp(Plan(pattern=sent, **given), lambda level: print(_line(level))))  # noqa: T201 a program's output
    write(done, out)
    print(f"no more viewers: {done.end} {done.words}\n{row(done)}")  # noqa: T201


async def ramp(plan: Plan, report: Callable[[Level], None]) -> Ramp:
    """One viewer more at a time; report() is called with each level."""
    levels: list[Level] = []
    async with AsyncExitStack() as until_end:
        viewers: list[Viewer] = []
        end, words = End.MOST, ""
        while len(viewers) < plan.max_viewers:
            try:
                one_more = viewing(plan.url, plan.pattern, plan.tracks, plan.token)
                viewers.append(await until_end.enter_async_context(one_more))
                await _watch(viewers, plan.settle_s)
                levels.append(await _measure(viewers, plan.seconds))
            except ClientError as error:
                end = End.FULL if isinstance(error, ServiceFull) else End.FAILED
                words = str(error)
                break
            report(levels[-1])
            if levels[-1].p95_ms > plan.budget_ms:
                end = End.BUDGET
                break
    return Ramp(plan, tuple(levels), end, words)


def write(done: Ramp, folder: Path) -> None:
    """ramp.csv and ramp.png, in the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [item.name for item in dataclasses.fields(Level)]
    with (folder / "ramp.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(names)
        for level in done.levels:
            table.writerow([f"{value:.5g}" for value in dataclasses.astuple(level)])
    held = 0 if done.held is None else done.held.viewers
    title = f"{_what(done.plan)}, viewers within {done.plan.budget_ms:g} ms: {held}"
    curves = {
        "p95, capture to mask, ms": [level.p95_ms for level in done.levels],
        "p50, capture to mask, ms": [level.p50_ms for level in done.levels],
    }
    rates = {
        "masks, frames/s": [level.fps for level in done.levels],
        "sent, frames/s": [level.sent_fps for level in done.levels],
    }
    plot(folder / "ramp.png", title, (curves, rates), done.plan.budget_ms)


def row(done: Ramp) -> str:
    """The line for RESULTS.md."""
    held = done.held
    cells = [time.strftime("%Y-%m-%d"), _what(done.plan), str(done.plan.tracks)]
    cells += [f"{done.plan.budget_ms:g} ms", "0" if held is None else str(held.viewers)]
    if held is None:
        cells += [""] * 4
    else:
        numbers = (held.p50_ms, held.p95_ms, held.fps, held.sent_fps)
        cells += [f"{number:.0f}" for number in numbers[:2]]
        cells += [f"{number:.1f}" for number in numbers[2:]]
    return f"| {' | '.join((*cells, done.end))} |"


async def _watch(viewers: Sequence[Viewer], seconds: float) -> None:
    """All at once. Raises ConnectionLost when one is lost."""
    results = await asyncio.gather(*(v.watch(seconds) for v in viewers), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _measure(viewers: Sequence[Viewer], seconds: float) -> Level:
    sent = sum(viewer.client.stats.sent for viewer in viewers)
    for viewer in viewers:
        viewer.latencies_s.clear()
    begun_s = time.monotonic()
    await _watch(viewers, seconds)
    elapsed_s = time.monotonic() - begun_s
    sent = sum(viewer.client.stats.sent for viewer in viewers) - sent
    got = [sorted(viewer.latencies_s) for viewer in viewers]
    all_of_them = sorted(latency_s for one in got for latency_s in one)
    is_starved = not all(got)
    return Level(
        viewers=len(viewers),
        p50_ms=1000 * percentile(all_of_them, 50),
        p95_ms=math.inf if is_starved else 1000 * percentile(all_of_them, 95),
        worst_p95_ms=1000 * max(percentile(one, 95) for one in got),
        fps=statistics.fmean(len(one) for one in got) / elapsed_s,
        least_fps=min(len(one) for one in got) / elapsed_s,
        sent_fps=sent / len(viewers) / elapsed_s,
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest rank, of ascending values; inf of none."""
    if not ordered:
        return math.inf
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def _what(plan: Plan) -> str:
    sent = plan.pattern
    return f"{sent.width}x{sent.height}@{sent.fps}" + f" {sent.output}" * bool(sent.output)


def _line(level: Level) -> str:
    return (
        f"viewers {level.viewers}: p50 {level.p50_ms:.0f} ms, p95 {level.p95_ms:.0f} ms, "
        f"{level.fps:.1f} masks/s each, {level.sent_fps:.1f} sent/s each"
    )


if __name__ == "__main__":
    main()
