"""`python -m load.autoscale`: what start delay, target, victim and placement do to viewers.

A small event simulation: viewers come and stay, an autoscaler looks every 15 s, pods take a while
to start, and those that go disturb whom they serve. Prints one row for each case.
"""

import argparse
import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial

from load.demand import Demand
from load.fleet import Fleet, Placement, Pod, Victim
from load.scaler import TICK_S, Rule, Scaler


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet and its demand."""

    demand: Demand = field(default_factory=Demand)
    places: int = 6
    """Sessions of one pod."""
    target: float = 0.7
    """Of the places, which the autoscaler aims at."""
    start_s: float = 180.0
    """From asking for a pod until it takes viewers."""
    placement: Placement = Placement.PACK
    victim: Victim = Victim.EMPTIEST
    costs_s: float = 30.0
    """How often deletion costs are written; what happens in between is not known."""
    down_after_s: float = 600.0
    """A pod goes when it was too many for so long."""
    least: int = 2
    most: int = 200
    """Pods."""
    grace_s: float = 900.0
    """For which a pod that goes may still serve."""
    is_moving: bool = False
    """Viewers of a pod that goes move to another at once, where there is room; else they stay."""
    retry_s: float = 5.0
    """Retry-After of a refusal."""
    patience_s: float = 0.0
    """For which a refused viewer tries again; 0: not once."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened. Times are seconds summed over sessions, and over pods."""

    came: int = 0
    refused: int = 0
    """Who never got in."""
    disturbed: int = 0
    """Whose pod went while they were there, at least once."""
    killed: int = 0
    """Who were cut off at the end of a grace."""
    session_s: float = 0.0
    pod_s: float = 0.0
    """Also of pods that start or drain: they are paid for."""
    seconds: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)))

    @property
    def refused_share(self) -> float:
        """Of all who came."""
        return self.refused / max(1, self.came)

    @property
    def disturbed_share(self) -> float:
        """Of those who got in."""
        return self.disturbed / max(1, self.came - self.refused)

    @property
    def killed_share(self) -> float:
        """Of those who got in."""
        return self.killed / max(1, self.came - self.refused)

    @property
    def pods(self) -> float:
        """On average."""
        return self.pod_s / self.seconds

    def used(self, places: int) -> float:
        """Share of the places that were paid for in which somebody was."""
        return self.session_s / (self.pod_s * places)


@dataclass(slots=True, eq=False)
class _Session:
    number: int
    came_s: float
    stay_s: float
    pod: Pod | None = None
    entered_s: float = 0.0
    is_disturbed: bool = False


class _Day:
    """One run. Events are functions of the time, in a heap."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.chance = random.Random(seed)  # noqa: S311 a simulation, not a secret
        # Of its own: other choices of pods must not change who comes.
        choices = random.Random(~seed)  # noqa: S311
        self.fleet = Fleet(scenario.places, scenario.placement, scenario.victim, choices)
        per_pod = scenario.places * scenario.target
        rule = Rule(per_pod, scenario.least, scenario.most, scenario.down_after_s)
        self.scaler = Scaler(rule)
        self.sessions: dict[int, _Session] = {}
        """Who are in; bounded by the fleet's places."""
        self.came = self.refused = self.disturbed = self.killed = 0
        self.session_s = self.pod_s = 0.0
        self.tries_refused = 0
        """Since the last tick."""
        self.seen = 0.0
        """Demand at the last tick: the autoscaler reads what was scraped before."""
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.order = itertools.count()

    def run(self) -> Counts:
        scenario, demand = self.scenario, self.scenario.demand
        at_start = demand.rate(0) * demand.mean_stay_s / (scenario.places * scenario.target)
        num_at_start = min(scenario.most, max(scenario.least, round(at_start)))
        self.fleet.grow(num_at_start, 0.0, 0.0)
        self.arrivals = enumerate(demand.arrivals(self.chance))
        self._await_next()
        self._at(0.0, self._tick)
        self._at(0.0, self._write_costs)
        while self.events and self.events[0][0] < demand.seconds:
            at_s, _, event = heapq.heappop(self.events)
            event(at_s)
        self._close(demand.seconds)
        counted = (self.came, self.refused, self.disturbed, self.killed)
        return Counts(*counted, self.session_s, self.pod_s, demand.seconds)

    def _at(self, at_s: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (at_s, next(self.order), event))

    def _await_next(self) -> None:
        found = next(self.arrivals, None)
        if found is not None:
            number, at_s = found
            one = _Session(number, at_s, self.scenario.demand.stay_s(self.chance))
            self._at(at_s, partial(self._come, one))

    def _come(self, one: _Session, now_s: float) -> None:
        self.came += 1
        self._await_next()
        self._try(one, now_s)

    def _try(self, one: _Session, now_s: float) -> None:
        pod = self.fleet.place(now_s)
        if pod is not None:
            self._enter(one, pod, now_s)
            return
        self.tries_refused += 1
        if now_s + self.scenario.retry_s <= one.came_s + self.scenario.patience_s:
            self._at(now_s + self.scenario.retry_s, partial(self._try, one))
        else:
            self.refused += 1

    def _enter(self, one: _Session, pod: Pod, now_s: float) -> None:
        one.pod, one.entered_s = pod, now_s
        pod.sessions.add(one.number)
        self.sessions[one.number] = one
        self._at(now_s + one.stay_s, partial(self._leave, one))

    def _leave(self, one: _Session, now_s: float) -> None:
        if one.pod is None:  # cut off before
            return
        self.session_s += now_s - one.entered_s
        pod, one.pod = one.pod, None
        pod.sessions.remove(one.number)
        del self.sessions[one.number]
        if pod.gone_by_s is not None and not pod.sessions:
            self._end(pod, now_s)

    def _tick(self, now_s: float) -> None:
        fleet, scenario = self.fleet, self.scenario
        current = len(fleet.pods)
        count = self.scaler.decide(self.seen, current, now_s)
        fleet.grow(max(0, count - current), now_s, scenario.start_s)
        for pod in fleet.shrink(max(0, current - count), now_s, scenario.grace_s):
            self._drain(pod, now_s)
        waiting = self.tries_refused * scenario.retry_s / TICK_S
        self.seen = sum(len(pod.sessions) for pod in fleet.pods) + waiting
        self.tries_refused = 0
        self._at(now_s + TICK_S, self._tick)

    def _write_costs(self, now_s: float) -> None:
        self.fleet.write_costs()
        self._at(now_s + self.scenario.costs_s, self._write_costs)

    def _drain(self, pod: Pod, now_s: float) -> None:
        for number in sorted(pod.sessions):
            one = self.sessions[number]
            self.disturbed += not one.is_disturbed
            one.is_disturbed = True
            other = self.fleet.place(now_s) if self.scenario.is_moving else None
            if other is not None:
                pod.sessions.remove(number)
                other.sessions.add(number)
                one.pod = other
        if pod.sessions:
            self._at(now_s + self.scenario.grace_s, partial(self._end, pod))
        else:
            self._end(pod, now_s)

    def _end(self, pod: Pod, now_s: float) -> None:
        """Of a pod: empty, or at the end of its grace."""
        if pod not in self.fleet.draining:  # it became empty before
            return
        self.fleet.draining.remove(pod)
        self.pod_s += now_s - pod.asked_s
        for number in sorted(pod.sessions):
            self.killed += 1
            one = self.sessions.pop(number)
            self.session_s += now_s - one.entered_s
            one.pod = None
        pod.sessions.clear()

    def _close(self, now_s: float) -> None:
        """The bill of what still runs."""
        self.session_s += sum(now_s - one.entered_s for one in self.sessions.values())
        self.pod_s += sum(now_s - pod.asked_s for pod in (*self.fleet.pods, *self.fleet.draining))


def simulate(scenario: Scenario, seeds: Sequence[int]) -> Counts:
    """Summed over one run for each seed; the same seeds give the same counts."""
    return sum((_Day(scenario, seed).run() for seed in seeds), Counts())


def cases(usual: Scenario) -> Iterator[tuple[str, Scenario]]:
    """One thing changed at a time."""
    yield "as it is", usual
    for start_s in (30.0, 60.0, 420.0):
        yield f"start {start_s:g} s", replace(usual, start_s=start_s)
    for target in (0.9, 0.8, 0.6, 0.5):
        yield f"target {target:g}", replace(usual, target=target)
    for victim in Victim:
        for placement in (Placement.PACK, Placement.SPREAD, Placement.RANDOM):
            if (victim, placement) != (usual.victim, usual.placement):
                changed = replace(usual, victim=victim, placement=placement)
                yield f"{victim} goes, {placement}", changed
    for down_after_s in (60.0, 1800.0):
        yield f"quiet {down_after_s:g} s", replace(usual, down_after_s=down_after_s)
    yield "viewers move, grace 95 s", replace(usual, is_moving=True, grace_s=95.0)
    yield "they stay, grace 95 s", replace(usual, grace_s=95.0)
    yield (
        "they stay, random goes, grace 95 s",
        replace(usual, grace_s=95.0, victim=Victim.RANDOM, placement=Placement.RANDOM),
    )
    patient = replace(usual, patience_s=60.0)
    yield "refused try for 60 s", patient
    yield f"{Placement.ASKED}", replace(usual, placement=Placement.ASKED)
    yield f"{Placement.ASKED}, refused try for 60 s", replace(patient, placement=Placement.ASKED)


def row(words: str, counts: Counts, places: int) -> str:
    """A line of the table."""
    numbers = (
        f"{100 * counts.refused_share:.2f}",
        f"{1000 * counts.disturbed_share:.1f}",
        f"{1000 * counts.killed_share:.1f}",
        f"{counts.pods:.1f}",
        f"{counts.used(places):.2f}",
    )
    return f"| {words} | {' | '.join(numbers)} |"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument("--peak-per-s", type=float, default=0.35)
    parser.add_argument("--places", type=int, default=6, help="sessions of one pod")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    demand = Demand(hours=given.hours, peak_per_s=given.peak_per_s)
    head = "| case | refused % | disturbed /1000 | killed /1000 | pods | used |"
    print(head, "|---|---|---|---|---|---|", sep="\n")  # noqa: T201 a program's output
    for words, scenario in cases(Scenario(demand, places=given.places)):
        counts = simulate(scenario, range(given.seeds))
        print(row(words, counts, scenario.places), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
