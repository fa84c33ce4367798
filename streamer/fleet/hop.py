"""Hop: what one pod asks another over HTTP. Exactly one: who is asked by a pod asks no other."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx
from pydantic import ValidationError

from streamer.config import Settings
from streamer.fleet.fleet import Fleet
from streamer.fleet.peer_key import HEADER
from streamer.fleet.placement import Load

LOAD_PATH: Final = "/internal/load"
MAX_ASKED: Final = 8
"""Peers whose load is looked at for one viewer; of a larger fleet any so many."""

_CONNECT_S: Final = 1.0
_BEYOND_S: Final = 5.0
"""For a peer to answer, beyond what an offer may take."""
_LOAD_S: Final = 0.5
_FRESH_S: Final = 1.0
"""For which a load is believed."""
_AWAY_S: Final = 5.0
"""For which a pod that did not answer is not asked again."""
_MAX_CONNECTIONS: Final = 64
_KEPT_OPEN_S: Final = 2.0
"""Less than uvicorn's 5 s: a connection that it closes under a request looks like a dead pod."""


class NoAnswer(Exception):
    """A pod cannot be reached: it is gone, or as good as."""


class LateAnswer(NoAnswer):
    """A pod took a request and did not answer in time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is passed on."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class _Heard:
    load: Load | None
    """None: it did not answer."""
    until_s: float


class Hop:
    """Asks peers. Open between `async with`."""

    def __init__(self, settings: Settings) -> None:
        self.fleet = Fleet(settings)
        self._heard: dict[str, _Heard] = {}
        """By URL; of peers that are known."""
        self._answer_s = settings.answer_timeout_s + _BEYOND_S
        self._until_exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._until_exit.enter_async_context(self.fleet)
        if not self.fleet.is_alone:
            timeout = httpx.Timeout(self._answer_s, connect=_CONNECT_S)
            limits = httpx.Limits(max_connections=_MAX_CONNECTIONS, keepalive_expiry=_KEPT_OPEN_S)
            # No proxy stands between pods, whatever the environment says.
            http = httpx.AsyncClient(
                timeout=timeout, limits=limits, trust_env=False, verify=self.fleet.tls()
            )
            self._http = await self._until_exit.enter_async_context(http)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._until_exit.aclose()

    async def send(self, url: str, asked: Asked) -> httpx.Response:
        """A peer's answer. Raises NoAnswer or LateAnswer."""
        headers = {**asked.headers, HEADER: self.fleet.sign(asked.method, asked.target)}
        try:
            return await self._http.request(
                asked.method, url + asked.target, headers=headers, content=asked.body
            )
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as error:
            raise LateAnswer(f"{url} did not answer in time") from error
        except httpx.HTTPError as error:
            raise NoAnswer(f"{url} cannot be reached: {error}") from error

    async def loads(self) -> dict[str, Load]:
        """Of some peers that answer, at most MAX_ASKED, by URL and at most a second old."""
        peers = self.fleet.peers
        asked = random.sample(peers, min(MAX_ASKED, len(peers)))
        return await self.loads_of(asked)

    async def loads_of(self, urls: Sequence[str]) -> dict[str, Load]:
        """Of these, as far as they answer."""
        found = await asyncio.gather(*(self._load(url) for url in urls))
        return {url: load for url, load in zip(urls, found, strict=True) if load is not None}

    def forget(self, url: str) -> None:
        """A peer's load has just changed."""
        self._heard.pop(url, None)

    async def _load(self, url: str) -> Load | None:
        heard, now_s = self._heard.get(url), time.monotonic()
        if heard is not None and now_s < heard.until_s:
            return heard.load
        load = await self._ask_load(url)
        until_s = now_s + (_AWAY_S if load is None else _FRESH_S)
        known = {*self.fleet.peers, url}
        kept = {peer: heard for peer, heard in self._heard.items() if peer in known}
        self._heard = {**kept, url: _Heard(load, until_s)}
        return load

    async def _ask_load(self, url: str) -> Load | None:
        headers = {HEADER: self.fleet.sign("GET", LOAD_PATH)}
        try:
            answer = await self._http.get(url + LOAD_PATH, headers=headers, timeout=_LOAD_S)
            return Load.model_validate_json(answer.content) if answer.is_success else None
        except (httpx.HTTPError, ValidationError):  # gone, busy, or of another version
            return None
