"""Deletion costs: a ReplicaSet that shrinks takes the pod that costs least; a full one costs most.

One pod of the fleet, which holds a Lease, writes `pod-deletion-cost` on all of them. In steps of a
quarter, and seldom: each write wakes whoever watches pods (KEP-2255 warns of its load).
"""

import asyncio
import contextlib
import logging
import math
import random
import secrets
import socket
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamer.config import Settings, url_of
from streamer.fleet.kube_api import ApiError, Forbidden, InCluster, KubeApi, Throttled
from streamer.fleet.lease import Lease, Terms
from streamer.fleet.placement import Load

ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
QUARTERS: Final = 4
REST_S: Final = 30.0
"""Between two writes on one pod."""
MAX_WRITES: Final = 20
"""In one round, the emptiest pods first; the others wait for the next."""

_AWAY_S: Final = 60.0
"""Nothing is asked for so long after an error; a Retry-After may say more, up to _MOST_AWAY_S."""
_MOST_AWAY_S: Final = 600.0
_RELEASE_S: Final = 2.0
_AT_ONCE: Final = 32
"""Pods that are asked for their loads together: viewers' requests pass through the same client."""

log = logging.getLogger(__name__)


class AsksLoads(Protocol):
    """How full pods are, from the pods themselves. hop.Hop does so."""

    async def loads_of(self, urls: Sequence[str]) -> Mapping[str, Load]:
        """By URL, of those that answer."""


@dataclass(frozen=True, slots=True)
class Fleetmate:
    """A pod as the API server knows it, this one among them."""

    name: str
    url: str
    cost: int
    """As written on it; 0 where nothing is, which is what a ReplicaSet takes it for."""


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")

    name: str
    annotations: dict[str, str] = Field(default_factory=dict)
    leaving: str | None = Field(default=None, alias="deletionTimestamp")


class _Status(BaseModel):
    model_config = ConfigDict(extra="ignore")

    address: str | None = Field(default=None, alias="podIP")


class _Pod(BaseModel):
    model_config = ConfigDict(extra="ignore")

    metadata: _Metadata
    status: _Status = _Status()


class _Pods(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Pod]


def writing(settings: Settings, asks: AsksLoads) -> list[Coroutine[Any, Any, None]]:
    """What a service has to run for it; nothing where it is off.

    Raises ApiError outside a cluster.
    """
    if settings.deletion_cost_selector is None:
        return []
    where = InCluster.from_environment()
    writer = CostWriter(settings.deletion_cost_selector, settings.port, asks)
    return [writer.run(where, settings.deletion_cost_lease)]


def cost_of(load: Load) -> int:
    """0 for an idle pod, then 25, 50, 75 and 100 by the quarter of it that is in use."""
    quarter = min(QUARTERS, math.ceil(QUARTERS * load.share))
    return 100 * quarter // QUARTERS


def due(
    pods: Sequence[Fleetmate],
    loads: Mapping[str, Load],
    written_s: Mapping[str, float],
    now_s: float,
) -> list[tuple[str, int]]:
    """(name, cost) of the pods to be written on now; a pod that does not answer keeps its cost.

    written_s: when this leader last wrote on a pod, by name.
    """
    wanted = [(cost_of(loads[pod.url]), pod) for pod in pods if pod.url in loads]
    changed = [
        (cost, pod.name)
        for cost, pod in wanted
        if cost != pod.cost and now_s - written_s.get(pod.name, -math.inf) >= REST_S
    ]
    return [(name, cost) for cost, name in sorted(changed)[:MAX_WRITES]]


class CostWriter:
    """Runs in every pod; only the leader's does more than look at the Lease."""

    def __init__(self, selector: str, port: int, asks: AsksLoads) -> None:
        """selector: labels of the fleet's pods. port: of HTTP, the same in all of them."""
        self._selector = selector
        self._port = port
        self._asks = asks
        self._written_s: dict[str, float] = {}
        """By pod; of pods that are there."""

    async def run(self, where: InCluster, lease_name: str, terms: Terms = Terms()) -> None:  # noqa: B008 frozen
        """Until it is cancelled; gives the lease back then. Errors are logged, and tried again."""
        async with KubeApi(where) as api:
            lease = Lease(api, lease_name, f"{socket.gethostname()}_{secrets.token_hex(4)}", terms)
            try:
                while True:
                    # Not all at once: the pods of a roll-out begin together.
                    await asyncio.sleep(terms.look_s * random.uniform(0.8, 1.2))  # noqa: S311
                    await asyncio.sleep(await self._turn(api, lease))
            finally:
                with contextlib.suppress(TimeoutError):  # then others wait until it is over
                    async with asyncio.timeout(_RELEASE_S):
                        await lease.release()

    async def write(self, api: KubeApi, lease: Lease) -> int:
        """One round of the leader; how many pods were written on. Raises ApiError."""
        pods = await self._pods(api)
        loads: dict[str, Load] = {}
        for some in range(0, len(pods), _AT_ONCE):
            loads |= await self._asks.loads_of([pod.url for pod in pods[some : some + _AT_ONCE]])
        names = {pod.name for pod in pods}
        self._written_s = {n: at_s for n, at_s in self._written_s.items() if n in names}
        changes = due(pods, loads, self._written_s, time.monotonic())
        for name, cost in changes:
            if not lease.is_held:  # asking for loads may have taken too long
                break
            path = f"/api/v1/namespaces/{api.namespace}/pods/{name}"
            await api.merge(path, {"metadata": {"annotations": {ANNOTATION: str(cost)}}})
            self._written_s[name] = time.monotonic()
        return len(changes)

    async def _turn(self, api: KubeApi, lease: Lease) -> float:
        """Seconds to stay away."""
        try:
            if await lease.look():
                await self.write(api, lease)
        except Throttled as error:
            return min(_MOST_AWAY_S, max(error.retry_after_s or 0.0, _AWAY_S))
        except Forbidden as error:
            log.error("deletion costs need the chart's Role: %s", error)  # noqa: TRY400 expected
            return _MOST_AWAY_S
        except ApiError as error:
            log.warning("deletion costs: %s", error)
            return 0.0
        return 0.0

    async def _pods(self, api: KubeApi) -> list[Fleetmate]:
        # resourceVersion 0: from the API server's memory, whose age does not matter here.
        query = {"labelSelector": self._selector, "resourceVersion": "0"}
        found = await api.get(f"/api/v1/namespaces/{api.namespace}/pods", **query)
        try:
            pods = _Pods.model_validate(found).items
        except ValidationError as error:
            raise ApiError(f"no list of pods: {error}") from error
        return [
            Fleetmate(
                pod.metadata.name,
                url_of(pod.status.address, self._port),
                _number(pod.metadata.annotations),
            )
            for pod in pods
            if pod.status.address is not None and pod.metadata.leaving is None
        ]


def _number(annotations: Mapping[str, Any]) -> int:
    """What a ReplicaSet reads; it takes what is no number for 0."""
    text = str(annotations.get(ANNOTATION, "0"))
    return int(text) if text.removeprefix("-").isdecimal() else 0
