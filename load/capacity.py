"""`python -m load.capacity --sessions-per-pod N ...`: pods and costs of 1k, 10k and 100k viewers.

Arithmetic without a price list: what a pod holds is measured (RESULTS.md), what it costs is given.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

VIEWERS: Final = (1_000, 10_000, 100_000)
"""At once, at the day's peak."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the table is made of."""

    sessions_per_pod: tuple[float, ...]
    """Each gives a row for each number of viewers."""
    pod_hour: float = 1.0
    """Price; by default the unit in which all costs are."""
    target: float = 0.7
    """Of the places, at the peak: the chart's autoscaling.target."""
    used: float = 0.63
    """Of the places that are paid for over a day, somebody is in this share (load.autoscale)."""
    stay_min: float = 8.0
    """Of a viewer."""
    up_mbps: float = 2.5
    """What a viewer sends: the service's ingest_start_bitrate_bps."""
    down_mbps: float = 0.6
    """What it gets: the service's most for masks, 75 KB/s; returned video is 1.5 more."""
    relayed: float = 0.1
    """Of all viewers, who come through a TURN server."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One row."""

    viewers: int
    sessions_per_pod: float
    pods: int
    """At the peak."""
    peak_hour: float
    """Cost of a viewer's hour at the peak."""
    day_hour: float
    """The same on average over a day, with what is kept ready for the next viewers."""
    session: float
    """Cost of one viewer's stay, on average over a day."""
    up_gbps: float
    down_gbps: float
    relay_gbps: float
    """Through TURN servers, which carry both directions in and out."""


def plans(given: Inputs) -> Iterator[Plan]:
    """Raises ValueError for inputs that are no numbers of anything."""
    positive = (*given.sessions_per_pod, given.pod_hour, given.stay_min)
    if min(positive) <= 0 or not (0 < given.target <= 1 and 0 < given.used <= 1):
        raise ValueError("sessions, prices and times are above 0, shares above 0 and at most 1")
    for sessions in given.sessions_per_pod:
        day_hour = given.pod_hour / (sessions * given.used)
        for viewers in VIEWERS:
            pods = math.ceil(viewers / (sessions * given.target))
            both_mbps = given.up_mbps + given.down_mbps
            yield Plan(
                viewers=viewers,
                sessions_per_pod=sessions,
                pods=pods,
                peak_hour=pods * given.pod_hour / viewers,
                day_hour=day_hour,
                session=day_hour * given.stay_min / 60,
                up_gbps=viewers * given.up_mbps / 1000,
                down_gbps=viewers * given.down_mbps / 1000,
                relay_gbps=2 * viewers * given.relayed * both_mbps / 1000,
            )


def table(given: Inputs) -> str:
    """In Markdown."""
    lines = [
        (
            "| sessions a pod | viewers at once | pods | viewer-hour at the peak | over a day "
            "| a stay | Gbit/s in | out | relayed |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for plan in plans(given):
        numbers = [f"{plan.sessions_per_pod:g}", f"{plan.viewers:,}", f"{plan.pods:,}"]
        numbers += [f"{cost:.4g}" for cost in (plan.peak_hour, plan.day_hour, plan.session)]
        numbers += [f"{rate:.3g}" for rate in (plan.up_gbps, plan.down_gbps, plan.relay_gbps)]
        lines.append(f"| {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def read(arguments: Sequence[str] | None = None) -> Inputs:
    """Of the command line."""
    usual = Inputs(())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions-per-pod", type=float, nargs="+", required=True)
    parser.add_argument("--pod-hour", type=float, default=usual.pod_hour, help="its price")
    parser.add_argument("--target", type=float, default=usual.target)
    parser.add_argument("--used", type=float, default=usual.used)
    parser.add_argument("--stay-min", type=float, default=usual.stay_min)
    parser.add_argument("--up-mbps", type=float, default=usual.up_mbps)
    parser.add_argument("--down-mbps", type=float, default=usual.down_mbps)
    parser.add_argument("--relayed", type=float, default=usual.relayed)
    given = vars(parser.parse_args(arguments))
    return Inputs(tuple(given.pop("sessions_per_pod")), **given)


if __name__ == "__main__":
    print(table(read()), end="")  # noqa: T201 a program's output
