"""`python -m load.chromium`: what a real browser gets of a running service, mode by mode.

Chromium with a scene for its camera sends it with the service's own client.js and clicks once on
its object; times are the browser's own. Needs playwright and Debian's chromium. Writes the series
as chromium-MODE.csv and .png, and prints a row for RESULTS.md for each mode.
"""

import argparse
import asyncio
import csv
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

try:
    from load.browser import CHROMIUM, Browser, BrowserError, Taken, browsing, chromium
except ModuleNotFoundError as error:
    raise SystemExit(f"{error}: pip install playwright (it is in the extra `test`)") from error
from load.camera import write_camera
from load.options import add_scene, take_scene
from load.percentile import percentile
from load.plot import plot
from load.scene import Ball, Scene

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try."""

    url: str
    scene: Scene = field(default_factory=Ball)
    modes: tuple[str, ...] = ("overlay", "masks")
    """Of the service's outputs; one after the other, each over a connection of its own."""
    seconds: float = 60.0
    """Of each."""
    interval_s: float = 10.0
    """Between two points of the series."""
    token: str | None = None
    program: Path = CHROMIUM


@dataclass(frozen=True, slots=True)
class Run:
    """One mode."""

    plan: Plan
    mode: str
    stretches: tuple[Taken, ...]
    """One an interval."""
    ends_s: tuple[float, ...]
    """From the beginning, one for each."""


def main() -> None:
    """Reads the command line."""
    plan = Plan("http://127.0.0.1:8080")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=plan.url)
    parser.add_argument("--seconds", type=float, default=plan.seconds)
    parser.add_argument("--minutes", type=float, help="in place of --seconds")
    parser.add_argument("--interval-s", type=float, default=plan.interval_s)
    parser.add_argument("--token")
    parser.add_argument("--program", type=Path, default=plan.program, help="Chromium")
    parser.add_argument("--out", type=Path, default=Path("out"), help="the folder for the files")
    add_scene(parser)
    given = parser.parse_args()
    scene, options = take_scene(given), vars(given)
    out, minutes = options.pop("out"), options.pop("minutes")
    if minutes is not None:
        options["seconds"] = minutes * MINUTE_S
    modes = plan.modes if scene.output is None else (scene.output,)
    try:
        done = asyncio.run(run(Plan(scene=scene, modes=modes, **options), _print))
    except BrowserError as error:
        raise SystemExit(str(error)) from error
    for one in done:
        write(one, out)
    print("\n".join(row(one) for one in done))  # noqa: T201


async def run(plan: Plan, report: Callable[[str, float, Taken], None]) -> list[Run]:
    """All modes; report() is called with the mode and the end of each interval.

    Raises BrowserError, and playwright's Error with what the page said.
    """
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.y4m"
        async with chromium(camera, plan.program) as browser:
            write_camera(plan.scene, camera)  # it is opened when a page asks for it
            return [await _run_mode(browser, plan, mode, report) for mode in plan.modes]


async def _run_mode(
    browser: Browser, plan: Plan, mode: str, report: Callable[[str, float, Taken], None]
) -> Run:
    stretches: list[Taken] = []
    ends_s: list[float] = []
    async with browsing(browser, plan.url) as viewer:
        await viewer.begin(plan.scene, plan.token)
        await viewer.follow(plan.scene)
        await viewer.show(mode)
        await viewer.take()
        began_s = time.monotonic()
        for _ in range(max(1, round(plan.seconds / plan.interval_s))):
            await asyncio.sleep(plan.interval_s)
            stretches.append(await viewer.take())
            ends_s.append(time.monotonic() - began_s)
            report(mode, ends_s[-1], stretches[-1])
    return Run(plan, mode, tuple(stretches), tuple(ends_s))


def write(done: Run, folder: Path) -> None:
    """chromium-MODE.csv and .png, in the folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    series = {
        "p95, capture to mask, ms": [_p(95, one.captured_ms) for one in done.stretches],
        "p50, capture to mask, ms": [_p(50, one.captured_ms) for one in done.stretches],
        "p95, capture to picture, ms": [_p(95, one.picture_ms) for one in done.stretches],
    }
    lengths_s = [end - begin for begin, end in pairwise((0.0, *done.ends_s))]
    rates = {
        "masks, frames/s": [
            one.masks / s for one, s in zip(done.stretches, lengths_s, strict=True)
        ],
        "sent, frames/s": [one.sent / s for one, s in zip(done.stretches, lengths_s, strict=True)],
    }
    with (folder / f"chromium-{done.mode}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["end_s", *series, *rates])
        for values in zip(done.ends_s, *series.values(), *rates.values(), strict=True):
            table.writerow([f"{value:.5g}" for value in values])
    minutes = "minutes", [end_s / MINUTE_S for end_s in done.ends_s]
    title = f"Chromium, {_what(done)} {done.mode}, {done.plan.interval_s:g} s a point"
    plot(folder / f"chromium-{done.mode}.png", title, minutes, (series, rates))


def row(done: Run) -> str:
    """The line for RESULTS.md; first and last are the p95 of the first and the last minute."""
    all_s = done.ends_s[-1]
    captured = [ms for one in done.stretches for ms in one.captured_ms]
    encoded = [ms for one in done.stretches for ms in one.encoded_ms]
    pictures = [ms for one in done.stretches for ms in one.picture_ms]
    ended = list(zip(done.ends_s, done.stretches, strict=True))
    first = [one for end_s, one in ended if end_s <= MINUTE_S] or done.stretches[:1]
    last = [one for end_s, one in ended if end_s > all_s - MINUTE_S]
    masks = sum(one.masks for one in done.stretches)
    cells = [time.strftime("%Y-%m-%d"), _what(done), done.mode, f"{all_s:.0f} s"]
    cells += [f"{n / all_s:.1f}" for n in (sum(one.sent for one in done.stretches), masks)]
    cells += [f"{_p(50, captured):.0f}", f"{_p(95, captured):.0f}", f"{_p(50, encoded):.0f}"]
    cells += [f"{_p(percent, pictures):.0f}" if pictures else "" for percent in (50, 95)]
    for part in (first, last):
        cells.append(f"{_p(95, [ms for one in part for ms in one.captured_ms]):.0f}")
    cells.append(f"{sum(one.in_sight for one in done.stretches) / max(1, masks):.2f}")
    return f"| {' | '.join(cells)} |"


def _p(percent: float, values: Iterable[float]) -> float:
    return percentile(sorted(values), percent)


def _what(done: Run) -> str:
    """As it was sent in the end: a browser sends smaller pictures where the link is thin."""
    return f"{done.stretches[-1].size}@{done.plan.scene.fps}"


def _print(mode: str, end_s: float, one: Taken) -> None:
    print(  # noqa: T201 a program's output
        f"{mode}, {end_s:.0f} s: {one.sent} sent, {one.masks} masks, "
        f"p50 {_p(50, one.captured_ms):.0f} ms, p95 {_p(95, one.captured_ms):.0f} ms "
        f"(from the encoder {_p(50, one.encoded_ms):.0f} ms); "
        f"pictures p95 {_p(95, one.picture_ms):.0f} ms; in sight {one.in_sight}",
        flush=True,
    )


if __name__ == "__main__":
    main()
