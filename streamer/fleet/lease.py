"""Lease: one of many pods leads (coordination.k8s.io/v1).

The rules are those of Kubernetes' own clients: whoever leads renews; another takes the lease when
it has not seen it change for as long as it is good, by its own clock, for clocks of pods differ.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamer.fleet.kube_api import ApiError, Conflict, KubeApi, NotFound, Object

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a lease. Long, because nothing that is led here is urgent, and every pod asks."""

    good_s: int = 60
    """From a renewal."""
    give_up_s: float = 45.0
    """Without a renewal that succeeded: less than good_s, so that there are never two leaders."""
    look_s: float = 15.0
    """Between two looks, or renewals."""


class _Meta(BaseModel):
    resource_version: str = Field(alias="resourceVersion")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="ignore")

    holder: str | None = Field(default=None, alias="holderIdentity")
    good_s: int | None = Field(default=None, alias="leaseDurationSeconds")
    acquired: str | None = Field(default=None, alias="acquireTime")
    renewed: str | None = Field(default=None, alias="renewTime")
    transitions: int | None = Field(default=None, alias="leaseTransitions")


class _Found(BaseModel):
    """A Lease as it was read."""

    metadata: _Meta
    spec: _Spec = _Spec()

    def is_over(self, unchanged_s: float) -> bool:
        """Nobody holds it, or nobody renewed it for as long as it is good."""
        return not self.spec.holder or unchanged_s >= (self.spec.good_s or 0)


class Lease:
    """A pod's part in the lease of a name in its namespace."""

    def __init__(
        self,
        api: KubeApi,
        name: str,
        identity: str,
        terms: Terms = Terms(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._name = name
        self._identity = identity
        self._terms = terms
        self._clock = clock
        self._seen_version = ""
        self._seen_at_s = 0.0
        """When the version that is there was seen first."""
        self._renewed_at_s: float | None = None
        """When the last renewal that succeeded was asked for; None: another leads, or nobody."""

    @property
    def is_held(self) -> bool:
        """Whether this pod leads. Ask before each act: a renewal may have failed meanwhile."""
        if self._renewed_at_s is None:
            return False
        return self._clock() - self._renewed_at_s < self._terms.give_up_s

    async def look(self) -> bool:
        """Takes or renews the lease where that may be; whether it is held then. Raises ApiError.

        A leader that cannot ask stays one until give_up_s after its last renewal.
        """
        was_held, asked_s = self.is_held, self._clock()
        try:
            is_ours = await self._take()
        except Conflict:  # another was quicker
            is_ours = False
        self._renewed_at_s = asked_s if is_ours else None
        if is_ours != was_held:
            log.info("%s lease %s", "took the" if is_ours else "lost the", self._name)
        return is_ours

    async def release(self) -> None:
        """Lets another take it at once; where that fails, once the lease is over."""
        if not self.is_held:
            return
        self._renewed_at_s = None
        try:
            found = _read(await self._api.get(self._path))
            if found.spec.holder == self._identity:
                spec = self._spec(found, holder="", good_s=1)
                await self._api.replace(self._path, self._written(spec, found))
        except ApiError as error:
            log.info("the lease was not given back: %s", error)

    @property
    def _list(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self._api.namespace}/leases"

    @property
    def _path(self) -> str:
        return f"{self._list}/{self._name}"

    async def _take(self) -> bool:
        try:
            found = _read(await self._api.get(self._path))
        except NotFound:
            spec = self._spec(None, self._identity, self._terms.good_s)
            await self._api.create(self._list, self._written(spec, None))
            return True
        if found.metadata.resource_version != self._seen_version:
            self._seen_version = found.metadata.resource_version
            self._seen_at_s = self._clock()
        is_ours = found.spec.holder == self._identity
        if not is_ours and not found.is_over(self._clock() - self._seen_at_s):
            return False
        spec = self._spec(found, self._identity, self._terms.good_s)
        await self._api.replace(self._path, self._written(spec, found))
        return True

    def _spec(self, found: _Found | None, holder: str, good_s: int) -> Object:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # MicroTime; for people to read
        is_new = found is None or found.spec.holder != holder
        transitions = 0 if found is None else (found.spec.transitions or 0) + is_new
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": good_s,
            "acquireTime": now if found is None or is_new else found.spec.acquired,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _written(self, spec: Object, found: _Found | None) -> Object:
        metadata = {"name": self._name, "namespace": self._api.namespace}
        if found is not None:
            metadata["resourceVersion"] = found.metadata.resource_version
        kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        return {**kind, "metadata": metadata, "spec": spec}


def _read(found: Object) -> _Found:
    try:
        return _Found.model_validate(found)
    except ValidationError as error:
        raise ApiError(f"not a Lease: {error}") from error
