"""`python -m load.handover`: two services as peers, of which the busy one is drained or killed.

How long is its viewer without a mask, until the other one goes on with the track? Starts both
services itself, with the bundled model, and a front door that leads to whoever listens. Each time
the one that went begins anew before the next. Prints a row for RESULTS.md for each way to go.
"""

import argparse
import asyncio
import dataclasses
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from load.front import Front, front_of
from load.gap import until_moved
from load.options import add_scene, take_scene
from load.percentile import percentile
from load.pods import Pods, running_pods
from load.scene import Ball, Scene
from load.viewer import follow
from streamer.client import Client, ObjectState

_MOVED_S: Final = 60.0


class How(StrEnum):
    """How a pod goes."""

    DRAIN = "drain"
    KILL = "kill -9"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to try."""

    scene: Scene = field(default_factory=lambda: Ball(fps=10))
    hows: tuple[How, ...] = tuple(How)
    times: int = 5
    """Of each."""
    settle_s: float = 2.5
    """After the click: the service seals what a track looks like once a second."""
    command: tuple[str, ...] = (sys.executable, "-m", "streamer", "serve", "--threads", "1")
    """That starts a service."""


@dataclass(frozen=True, slots=True)
class Handover:
    """One of them. Seconds."""

    how: How
    gap_frames: int
    """Captured from the last frame with a mask to the next with one; 1: none in between."""
    gap_s: float
    """From the last mask of the one to the first of the other."""
    noticed_s: float
    """From the signal to the viewer's next offer."""
    connected_s: float
    """From that to the first mask."""
    usual_s: float
    """The longest between two masks before."""
    has_track: bool
    """In sight in the first frame."""


def main() -> None:
    """Reads the command line."""
    plan = Plan()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=plan.times)
    parser.add_argument("--serve", default="", help="more arguments of streamer serve")
    add_scene(parser)
    parser.set_defaults(fps=plan.scene.fps)
    given = parser.parse_args()
    plan = dataclasses.replace(
        plan,
        scene=take_scene(given),
        times=given.times,
        command=(*plan.command, *given.serve.split()),
    )
    done = asyncio.run(run(plan, lambda one: print(_line(one), flush=True)))  # noqa: T201
    print("\n".join(rows(plan, done)))  # noqa: T201 a program's output


async def run(plan: Plan, report: Callable[[Handover], None]) -> Sequence[Handover]:
    """All of them, each told to report(). Raises ClientError, RuntimeError."""
    done: list[Handover] = []
    async with running_pods(2, plan.command) as pods, front_of(pods.ports) as front:
        for how in [how for how in plan.hows for _ in range(plan.times)]:
            await pods.complete()
            done.append(await hand_over(plan, how, pods, front))
            report(done[-1])
    return done


async def hand_over(plan: Plan, how: How, pods: Pods, front: Front) -> Handover:
    """One viewer follows one thing, and its pod goes."""
    async with Client(front.url, plan.scene.frames()) as client:
        await follow(client, plan.scene, tracks=1)
        await asyncio.sleep(plan.settle_s)
        leaving = await pods.busy()
        front.offers_at_s.clear()
        begun_s = time.monotonic()
        pods.signal(leaving, signal.SIGTERM if how is How.DRAIN else signal.SIGKILL)
        async with asyncio.timeout(_MOVED_S):
            gap = await until_moved(client.masks(), plan.scene.fps)
        offered_s = front.offers_at_s[0]
        await pods.ended(leaving)
    states = [one.state for one in gap.first.frame.objects]
    return Handover(
        how=how,
        gap_frames=gap.frames,
        gap_s=gap.seconds,
        noticed_s=offered_s - begun_s,
        connected_s=gap.first.received_at_s - offered_s,
        usual_s=gap.longest_before_s,
        has_track=states == [ObjectState.VISIBLE],
    )


def rows(plan: Plan, done: Sequence[Handover]) -> list[str]:
    """Lines for RESULTS.md, one for each way: medians, and the worst gap."""
    lines = []
    for how in plan.hows:
        of_it = [one for one in done if one.how is how]
        parts = [
            f"{percentile(sorted(values), 50):.2f}"
            for values in (
                [one.gap_s for one in of_it],
                [one.noticed_s for one in of_it],
                [one.connected_s for one in of_it],
                [one.usual_s for one in of_it],
            )
        ]
        worst = f"{max(one.gap_s for one in of_it):.2f}"
        frames = f"{percentile(sorted(one.gap_frames for one in of_it), 50):.0f}"
        kept = f"{sum(one.has_track for one in of_it)} of {len(of_it)}"
        cells = (how, plan.scene.what, frames, parts[0], worst, *parts[1:], kept)
        lines.append(f"| {time.strftime('%Y-%m-%d')} | {' | '.join(cells)} |")
    return lines


def _line(one: Handover) -> str:
    return (
        f"{one.how}: {one.gap_frames} frames, {one.gap_s:.2f} s without a mask "
        f"(before: up to {one.usual_s:.2f} s); the next offer after {one.noticed_s:.2f} s, "
        f"its first mask {one.connected_s:.2f} s later, "
        f"{'with' if one.has_track else 'without'} the track"
    )


if __name__ == "__main__":
    main()
