"""Fleet: simulated pods, who is put where, and which pod goes when there are too many."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

QUARTERS: Final = 4
"""Steps of a pod-deletion-cost above 0, as the service's leader writes it."""


ASKED_PODS: Final = 9
"""The pod that a viewer comes to, and as many others as it asks (streamer.fleet.hop.MAX_ASKED)."""


class Placement(StrEnum):
    """Who gets the next viewer, of the ready pods with a free place."""

    PACK = "pack"
    """The fullest."""
    ASKED = "pack of some"
    """The fullest of ASKED_PODS that are drawn: the service's, which does not ask a whole fleet."""
    SPREAD = "spread"
    """The emptiest."""
    RANDOM = "random"
    """Any: what a Service does, when full pods send their viewers on."""


class Victim(StrEnum):
    """Which pod goes. One that is still starting goes before all others, as in a ReplicaSet."""

    EMPTIEST = "emptiest"
    """By the deletion cost as it was last written; the newest of those that cost the same."""
    NEWEST = "newest"
    """A ReplicaSet without deletion costs, nearly: it takes ages that are alike for the same."""
    RANDOM = "random"


@dataclass(slots=True, eq=False)
class Pod:
    """One pod. Times are seconds of the simulation."""

    number: int
    """Later pods have greater ones."""
    places: int
    asked_s: float
    ready_s: float
    """When it takes viewers, from then on."""
    sessions: set[int] = field(default_factory=set)
    """Ids; at most `places`."""
    cost: int = 0
    """Its deletion cost as it was last written: 0 for an empty pod, else 1 to QUARTERS."""
    gone_by_s: float | None = None
    """End of its grace, once it drains."""

    @property
    def has_room(self) -> bool:
        """One more viewer finds a place."""
        return len(self.sessions) < self.places


def bucket(sessions: int, places: int) -> int:
    """0 for none, then 1 to QUARTERS by the quarter of the places that are taken."""
    return min(QUARTERS, -(-QUARTERS * sessions // places))


class Fleet:
    """All pods that somebody pays for. Bounded by the scaler's `most`, and by those that drain."""

    def __init__(self, places: int, placement: Placement, victim: Victim, chance: random.Random):
        self.pods: list[Pod] = []
        """Those that start or serve, the oldest first."""
        self.draining: list[Pod] = []
        self._places = places
        self._placement = placement
        self._victim = victim
        self._chance = chance
        self._next = 0

    def grow(self, count: int, now_s: float, start_s: float) -> None:
        """Asks for new pods, which are ready after start_s."""
        for _ in range(count):
            self.pods.append(Pod(self._next, self._places, now_s, now_s + start_s))
            self._next += 1

    def place(self, now_s: float) -> Pod | None:
        """Where the next viewer goes; None: all ready pods are full."""
        ready = [pod for pod in self.pods if pod.ready_s <= now_s]
        if self._placement is Placement.ASKED:
            ready = self._chance.sample(ready, min(ASKED_PODS, len(ready)))
        able = [pod for pod in ready if pod.has_room]
        if not able:
            return None
        if self._placement is Placement.RANDOM:
            return self._chance.choice(able)
        sign = 1 if self._placement is Placement.SPREAD else -1
        return min(able, key=lambda pod: sign * len(pod.sessions))  # of those alike, the oldest

    def write_costs(self) -> None:
        """What the leader does now and then."""
        for pod in self.pods:
            pod.cost = bucket(len(pod.sessions), pod.places)

    def shrink(self, count: int, now_s: float, grace_s: float) -> Sequence[Pod]:
        """Pods that take nobody any more from now on."""
        victims = sorted(self.pods, key=lambda pod: self._order(pod, now_s))[:count]
        for pod in victims:
            pod.gone_by_s = now_s + grace_s
            self.pods.remove(pod)
            self.draining.append(pod)
        return victims

    def _order(self, pod: Pod, now_s: float) -> tuple[float, ...]:
        """The least goes first."""
        is_ready = float(pod.ready_s <= now_s)
        if self._victim is Victim.RANDOM:
            return (is_ready, self._chance.random())
        cost = pod.cost if self._victim is Victim.EMPTIEST else 0
        return (is_ready, cost, -pod.number)
