"""`python -m load.soak`: one viewer for minutes; is memory flat, and does latency not grow?

Once an interval it prints resident memory, as the service itself tells it at /metrics, and what
the viewer got. Writes the series as soak.csv and soak.png, and prints two rows for RESULTS.md.
"""

import argparse
import asyncio
import csv
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from load.options import add_scene, take_scene
from load.percentile import percentile
from load.plot import plot
from load.scene import Ball, Scene
from load.viewer import Viewer, viewing
from load.vitals import resident_mib

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try."""

    url: str
    scene: Scene = field(default_factory=Ball)
    tracks: int = 1
    minutes: float = 10.0
    interval_s: float = 10.0
    metrics_url: str | None = None
    """Where /metrics is; None: at `url`."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One interval. Milliseconds are from capture to mask."""

    end_s: float
    """From the beginning."""
    resident_mib: float
    """At its end."""
    masks: int
    p50_ms: float
    p95_ms: float
    """inf: no mask came."""
    in_sight: float
    """Share of the masks in which all tracks were VISIBLE, 0..1; nan of none."""


@dataclass(frozen=True, slots=True)
class Soak:
    """All of it."""

    plan: Plan
    idle_mib: float
    stretches: tuple[Stretch, ...]


def main() -> None:
    """Reads the command line."""
    plan = Plan("http://127.0.0.1:8080")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=plan.url)
    parser.add_argument("--metrics-url", default=plan.metrics_url)
    parser.add_argument("--minutes", type=float, default=plan.minutes)
    parser.add_argument("--interval-s", type=float, default=plan.interval_s)
    parser.add_argument("--tracks", type=int, default=plan.tracks)
    add_scene(parser)
    parser.add_argument("--out", type=Path, default=Path("out"), help="the folder for the files")
    options = parser.parse_args()
    scene, given = take_scene(options), vars(options)
    out = given.pop("out")
    done = asyncio.run(soak(Plan(scene=scene, **given), _print))
    write(done, out)
    print(f"{memory_row(done)}\n{latency_row(done)}")  # noqa: T201


async def soak(plan: Plan, report: Callable[[Stretch], None]) -> Soak:
    """One viewer; report() is called with each stretch. Raises ClientError."""
    metrics_url = plan.metrics_url or plan.url
    idle_mib = await asyncio.to_thread(resident_mib, metrics_url)
    stretches: list[Stretch] = []
    async with viewing(plan.url, plan.scene, plan.tracks) as viewer:
        began_s = time.monotonic()
        for _ in range(max(1, round(plan.minutes * MINUTE_S / plan.interval_s))):
            viewer.forget()
            await viewer.watch(plan.interval_s)
            now_mib = await asyncio.to_thread(resident_mib, metrics_url)
            stretches.append(_stretch(viewer, time.monotonic() - began_s, now_mib))
            report(stretches[-1])
    return Soak(plan, idle_mib, tuple(stretches))


def write(done: Soak, folder: Path) -> None:
    """soak.csv and soak.png, in the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "soak.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([item.name for item in dataclasses.fields(Stretch)])
        for one in done.stretches:
            table.writerow([f"{value:.5g}" for value in dataclasses.astuple(one)])
    minutes = [one.end_s / MINUTE_S for one in done.stretches]
    latencies = {
        "p95, capture to mask, ms": [one.p95_ms for one in done.stretches],
        "p50, capture to mask, ms": [one.p50_ms for one in done.stretches],
    }
    memory = {"resident memory, MiB": [one.resident_mib for one in done.stretches]}
    title = f"{done.plan.scene.what}, {done.plan.interval_s:g} s a point"
    plot(folder / "soak.png", title, ("minutes", minutes), (latencies, memory))


def memory_row(done: Soak) -> str:
    """The line for RESULTS.md's table of memory. The first minute is warm-up."""
    settled = [one.resident_mib for one in _later(done) or done.stretches]
    late_ms = [one.p50_ms for one in done.stretches]
    cells = (
        f"{done.idle_mib:.0f}",
        f"{min(settled):.0f} to {max(settled):.0f}",
        f"{_fps(done):.1f}",
        f"{percentile(sorted(late_ms), 50):.0f}",
    )
    return f"| {' | '.join((*_head(done), *cells))} |"


def latency_row(done: Soak) -> str:
    """The line for RESULTS.md's table of latency: the first minute beside the last."""
    first = [one for one in done.stretches if one.end_s <= MINUTE_S] or done.stretches[:1]
    begin_s = done.stretches[-1].end_s - MINUTE_S
    last = [one for one in done.stretches if one.end_s > begin_s]
    cells = [f"{_median(one.p50_ms for one in part):.0f}" for part in (first, last)]
    cells += [f"{_median(one.p95_ms for one in part):.0f}" for part in (first, last)]
    cells.append(f"{max(one.p95_ms for one in done.stretches):.0f}")
    cells.append(f"{_in_sight(done):.2f}")
    return f"| {' | '.join((*_head(done), f'{_fps(done):.1f}', *cells))} |"


def _print(one: Stretch) -> None:
    print(_line(one), flush=True)  # noqa: T201 a program's output


def _stretch(viewer: Viewer, end_s: float, now_mib: float) -> Stretch:
    late_s = sorted(viewer.latencies_s)
    p50_ms, p95_ms = (1000 * percentile(late_s, percent) for percent in (50, 95))
    return Stretch(end_s, now_mib, len(late_s), p50_ms, p95_ms, viewer.in_sight)


def _later(done: Soak) -> Sequence[Stretch]:
    return [one for one in done.stretches if one.end_s > MINUTE_S]


def _median(values: Iterable[float]) -> float:
    return percentile(sorted(values), 50)


def _fps(done: Soak) -> float:
    return sum(one.masks for one in done.stretches) / done.stretches[-1].end_s


def _in_sight(done: Soak) -> float:
    seen = [(one.in_sight, one.masks) for one in done.stretches if one.masks]
    return sum(share * masks for share, masks in seen) / max(1, sum(masks for _, masks in seen))


def _head(done: Soak) -> tuple[str, ...]:
    plan = done.plan
    minutes = f"{done.stretches[-1].end_s / MINUTE_S:.0f} min"
    return time.strftime("%Y-%m-%d"), plan.scene.what, str(plan.tracks), minutes


def _line(one: Stretch) -> str:
    return (
        f"{one.end_s:.0f} s: {one.resident_mib:.0f} MiB, {one.masks} masks, "
        f"p50 {one.p50_ms:.0f} ms, p95 {one.p95_ms:.0f} ms, "
        f"in sight {one.in_sight:.2f}"
    )


if __name__ == "__main__":
    main()
