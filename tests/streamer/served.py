"""The real service with a fake engine, on a free loopback port, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.http.app import create_app
from streamer.service import Service
from streamer.worker import Steps


@dataclass(frozen=True)
class Served:
    url: str
    service: Service


@asynccontextmanager
async def serving(
    load: Callable[[], Steps] = FakeEngine, **settings: object
) -> AsyncIterator[Served]:
    app = create_app(Settings(**settings), load)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the service did not start"
        await asyncio.sleep(0.01)
    try:
        await app.state.service.worker.settled.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}", app.state.service)
    finally:
        server.should_exit = True
        await running
