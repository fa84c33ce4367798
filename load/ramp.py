"""`python -m load.ramp`: one viewer more at a time, until p95 of capture-to-mask breaks a budget.

Then as many viewers, in the same way, of a plain aiortc server that sends the video back: what the
service costs beyond WebRTC itself. Writes ramp.csv and ramp.png, and prints a row for RESULTS.md.
Viewers and encoders of this program take as much CPU as the service: let it run on another
machine, and look at what was sent.
"""

import argparse
import asyncio
import csv
import dataclasses
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from load.echo_process import echoing
from load.level import Level, measure, watch_all
from load.options import add_scene, take_scene
from load.plot import plot
from load.scene import Ball, Scene
from load.viewer import Viewer, viewing
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
    scene: Scene = field(default_factory=Ball)
    tracks: int = 1
    budget_ms: float = 150.0
    """Of p95, capture to mask, over the mask frames of all viewers."""
    max_viewers: int = 16
    settle_s: float = 3.0
    """After one more viewer came, in which nothing is counted."""
    seconds: float = 10.0
    """For which each number of viewers is measured."""
    token: str | None = None
    metrics_url: str | None = None
    """Where /metrics is; None: at `url`."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """All levels, and why there were no more."""

    plan: Plan
    levels: tuple[Level, ...]
    end: End
    words: str = ""
    """What was said when a viewer did not get in or did not stay."""
    echo: tuple[Level, ...] = ()
    """The same of an echo server; empty: none was asked."""

    @property
    def held(self) -> Level | None:
        """The last level within the budget."""
        within = [level for level in self.levels if level.p95_ms <= self.plan.budget_ms]
        return within[-1] if within else None

    @property
    def beside(self) -> Level | None:
        """The echo server with as many viewers as were held."""
        held = self.held
        return None if held is None else next(iter(self.echo[held.viewers - 1 :]), None)


def main() -> None:
    """Reads the command line."""
    plan = Plan("http://127.0.0.1:8080")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=plan.url)
    add_scene(parser)
    parser.add_argument("--tracks", type=int, default=plan.tracks)
    parser.add_argument("--budget-ms", type=float, default=plan.budget_ms)
    parser.add_argument("--max-viewers", type=int, default=plan.max_viewers)
    parser.add_argument("--settle-s", type=float, default=plan.settle_s)
    parser.add_argument("--seconds", type=float, default=plan.seconds)
    parser.add_argument("--token", default=plan.token)
    parser.add_argument("--metrics-url", default=plan.metrics_url)
    parser.add_argument("--echo", default="own", help="own: a process here; none; or a URL")
    parser.add_argument("--out", type=Path, default=Path("out"), help="the folder for the files")
    options = parser.parse_args()
    scene, given = take_scene(options), vars(options)
    out, echo = given.pop("out"), given.pop("echo")
    done = asyncio.run(_run(Plan(scene=scene, **given), echo))
    write(done, out)
    print(f"no more viewers: {done.end} {done.words}\n{row(done)}")  # noqa: T201


async def _run(plan: Plan, echo: str) -> Ramp:
    done = await ramp(plan, lambda level: print(_line(level), flush=True))  # noqa: T201 a program's output
    report = lambda level: print(f"echo, {_line(level)}", flush=True)  # noqa: E731, T201
    if echo == "none":
        return done
    if echo != "own":
        return await beside_echo(done, echo, report)
    async with echoing() as url:
        return await beside_echo(done, url, report)


async def beside_echo(done: Ramp, url: str, report: Callable[[Level], None]) -> Ramp:
    """The same viewers, as many, at an echo server."""
    plan = dataclasses.replace(
        done.plan,
        url=url,
        scene=dataclasses.replace(done.plan.scene, output=None),
        tracks=0,
        budget_ms=math.inf,
        max_viewers=len(done.levels),
        token=None,
        metrics_url=None,
    )
    return dataclasses.replace(done, echo=(await ramp(plan, report)).levels)


async def ramp(plan: Plan, report: Callable[[Level], None]) -> Ramp:
    """One viewer more at a time; report() is called with each level."""
    levels: list[Level] = []
    async with AsyncExitStack() as until_end:
        viewers: list[Viewer] = []
        end, words = End.MOST, ""
        while len(viewers) < plan.max_viewers:
            try:
                one_more = viewing(plan.url, plan.scene, plan.tracks, plan.token)
                viewers.append(await until_end.enter_async_context(one_more))
                await watch_all(viewers, plan.settle_s)
                metrics_url = plan.metrics_url or plan.url
                levels.append(await measure(viewers, plan.seconds, metrics_url))
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
        table.writerow(["server", *names])
        for server, levels in (("service", done.levels), ("echo", done.echo)):
            for level in levels:
                table.writerow([server, *(f"{n:.5g}" for n in dataclasses.astuple(level))])
    held = 0 if done.held is None else done.held.viewers
    title = f"{done.plan.scene.what}, viewers within {done.plan.budget_ms:g} ms: {held}"
    curves = {
        "p95, capture to mask, ms": [level.p95_ms for level in done.levels],
        "p50, capture to mask, ms": [level.p50_ms for level in done.levels],
        "p95, capture to picture, ms": [level.picture_p95_ms for level in done.levels],
        "p95, capture to picture, echo, ms": [level.picture_p95_ms for level in done.echo],
    }
    rates = {
        "masks, frames/s": [level.fps for level in done.levels],
        "pictures, frames/s": [level.picture_fps for level in done.levels],
        "pictures, echo, frames/s": [level.picture_fps for level in done.echo],
        "sent, frames/s": [level.sent_fps for level in done.levels],
    }
    counts = "viewers", [level.viewers for level in done.levels]
    plot(folder / "ramp.png", title, counts, (curves, rates), done.plan.budget_ms)


def row(done: Ramp) -> str:
    """The line for RESULTS.md; in brackets, how many times the echo server's."""
    held, echo = done.held, done.beside
    cells = [time.strftime("%Y-%m-%d"), done.plan.scene.what, str(done.plan.tracks)]
    cells += [f"{done.plan.budget_ms:g} ms", "0" if held is None else str(held.viewers)]
    if held is None:
        cells += [""] * 7
    else:
        numbers = (held.p50_ms, held.p95_ms, held.fps, held.sent_fps)
        cells += [f"{number:.0f}" for number in numbers[:2]]
        cells += [f"{number:.1f}" for number in numbers[2:]]
        cells.append(f"{held.in_sight:.2f}")
        late_ms, cores = (echo.picture_p95_ms, echo.cores) if echo else (math.nan, math.nan)
        picture = f"{held.picture_p95_ms:.0f} ({held.picture_p95_ms / late_ms:.2f})"
        cells.append(picture if held.picture_fps else "")
        cells.append(f"{held.cores:.2f} ({held.cores / cores:.2f})")
    return f"| {' | '.join((*cells, done.end))} |"


def _line(level: Level) -> str:
    return (
        f"viewers {level.viewers}: p50 {level.p50_ms:.0f} ms, p95 {level.p95_ms:.0f} ms, "
        f"{level.fps:.1f} masks/s each, {level.sent_fps:.1f} sent/s each, "
        f"in sight {level.in_sight:.2f}; "
        f"pictures: p95 {level.picture_p95_ms:.0f} ms, {level.picture_fps:.1f}/s; "
        f"{level.cores:.2f} cores each"
    )


if __name__ == "__main__":
    main()
