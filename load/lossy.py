"""`python -m load.lossy`: 5 % loss, 50 ms of round trip, and bursts: how soon is all right again?

A relay between a viewer and a service that runs on this machine loses and delays; now and then it
loses a run of the viewer's video. One series of bursts comes in the midst of other losses, and what
is sent again arrives like all else. Another comes alone, and nothing that is sent again arrives: a
key frame has to be asked for. Prints a row for RESULTS.md for each.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from load.camera import write_camera
from load.lossy_link import Kind, Link, lossy
from load.percentile import percentile
from load.recovery import Recovery, following
from load.scene import Ball
from load.viewer import follow
from streamer.client import Client

_POLL_S: Final = 0.002


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try."""

    url: str
    """On loopback: the relay knows no other address."""
    scene: Ball = field(default_factory=Ball)
    bursts: int = 20
    datagrams: int = 15
    """In a burst; a frame has about four."""
    has_repairs: bool = True
    """What is sent again arrives, like all else; if not, nothing but bursts is lost."""
    loss: float = 0.05
    """All the time, each way."""
    delay_s: float = 0.025
    """Each way."""
    pause_s: float = 2.0
    """Between bursts."""
    patience_s: float = 10.0
    """For a recovery."""
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Bursts:
    """What one viewer went through."""

    plan: Plan
    viewer: str
    recoveries: tuple[Recovery, ...]
    p50_s: tuple[float, float]
    """From capture to mask: with the delay alone, and after all bursts, with the losses."""


Go = Callable[[], Awaitable[Recovery]]
"""Waits for what is right of frames from now on."""


def main() -> None:
    """Reads the command line."""
    plan = Plan("http://127.0.0.1:8080")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=plan.url)
    parser.add_argument("--bursts", type=int, default=plan.bursts)
    parser.add_argument("--datagrams", type=int, default=plan.datagrams)
    parser.add_argument("--loss", type=float, default=plan.loss)
    parser.add_argument("--delay-s", type=float, default=plan.delay_s)
    parser.add_argument("--pause-s", type=float, default=plan.pause_s)
    parser.add_argument("--token")
    parser.add_argument("--viewer", choices=("python", "chromium"), default="python")
    given = vars(parser.parse_args())
    go = python_viewer if given.pop("viewer") == "python" else chromium_viewer
    plan = Plan(**given)
    for has_repairs in (True, False):
        done = asyncio.run(go(replace(plan, has_repairs=has_repairs), _print))
        print(row(done), flush=True)  # noqa: T201 a program's output


async def python_viewer(plan: Plan, report: Callable[[Recovery], None]) -> Bursts:
    """The Python client, whose masks are held against the truth. Raises ClientError."""
    link = Link(loss=0, delay_s=plan.delay_s)
    async with (
        lossy(plan.url, link) as url,
        Client(url, plan.scene.frames(), token=plan.token, resume_s=0) as client,
    ):
        await follow(client, plan.scene, tracks=1)
        async with following(client, plan.scene) as viewer:
            await asyncio.sleep(plan.pause_s)
            before_s = _median(viewer.latencies_s)
            done = await bursts(plan, link, lambda: viewer.recovers(plan.patience_s), report)
            viewer.latencies_s.clear()
            await asyncio.sleep(plan.pause_s)
            return Bursts(plan, "Python", done, (before_s, _median(viewer.latencies_s)))


async def chromium_viewer(plan: Plan, report: Callable[[Recovery], None]) -> Bursts:
    """A browser, which takes each mask in sight for right. Raises BrowserError."""
    from load.browser import browsing, chromium  # noqa: PLC0415 (playwright is an extra)

    link = Link(loss=0, delay_s=plan.delay_s)
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.y4m"
        write_camera(plan.scene, camera)
        async with (
            lossy(plan.url, link) as url,
            chromium(camera) as browser,
            browsing(browser, url) as viewer,
        ):
            await viewer.begin(plan.scene, plan.token)
            await viewer.follow(plan.scene)
            await viewer.take()
            await asyncio.sleep(plan.pause_s)
            before_ms = _median((await viewer.take()).captured_ms)
            done = await bursts(plan, link, lambda: viewer.recovers(plan.patience_s), report)
            await viewer.take()
            await asyncio.sleep(plan.pause_s)
            after_ms = _median((await viewer.take()).captured_ms)
            return Bursts(plan, "Chromium", done, (before_ms / 1000, after_ms / 1000))


async def bursts(
    plan: Plan, link: Link, recovers: Go, report: Callable[[Recovery], None]
) -> tuple[Recovery, ...]:
    """One after the other, each told to report()."""
    link.loss = plan.loss if plan.has_repairs else 0
    done: list[Recovery] = []
    for _ in range(plan.bursts):
        await asyncio.sleep(plan.pause_s)
        link.lost_kinds = set() if plan.has_repairs else {Kind.REPAIR}
        link.burst = plan.datagrams
        while link.burst:  # noqa: ASYNC110 (the relay has no event for it)
            await asyncio.sleep(_POLL_S)
        done.append(await recovers())
        link.lost_kinds = set()
        report(done[-1])
    return tuple(done)


def row(done: Bursts) -> str:
    """The line for RESULTS.md; milliseconds."""
    plan = done.plan
    masks, pictures = (
        sorted(values)
        for values in (
            [one.mask_s for one in done.recoveries],
            [one.picture_s for one in done.recoveries],
        )
    )
    cells = [time.strftime("%Y-%m-%d"), done.viewer, plan.scene.what]
    cells += [f"{plan.loss if plan.has_repairs else 0:.0%}, {2000 * plan.delay_s:.0f} ms"]
    cells += [f"{len(masks)} of {plan.datagrams}", "yes" if plan.has_repairs else "no"]
    cells += [f"{1000 * one:.0f}" for one in (percentile(masks, 50), masks[-1])]
    cells += [f"{1000 * one:.0f}" for one in (percentile(pictures, 50), pictures[-1])]
    cells += [f"{1000 * one:.0f}" for one in done.p50_s]
    return f"| {' | '.join(cells)} |"


def _median(values: Sequence[float]) -> float:
    return percentile(sorted(values), 50)


def _print(one: Recovery) -> None:
    print(f"mask {1000 * one.mask_s:.0f} ms, picture {1000 * one.picture_s:.0f} ms", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
