"""A session, its viewer, and the path by which others watch it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from loopback import OtherSide, connected
from served import Served, serving


@dataclass
class Show:
    """A session that can be watched."""

    served: Served
    viewer: OtherSide
    http: httpx.AsyncClient
    path: str

    def count(self, name: str) -> float:
        return self.served.service.metrics.registry.get_sample_value(f"streamer_{name}") or 0


@asynccontextmanager
async def show(**settings: object) -> AsyncIterator[Show]:
    async with (
        serving(**settings) as served,
        connected(served.url) as viewer,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        (session_id,) = served.service._sessions
        yield Show(served, viewer, http, f"/whep/{session_id}")
        sample = served.service.metrics.registry.get_sample_value
        assert sample("streamer_session_errors_total") == 0
