"""Pods of one fleet with fake engines, each on a port of its own, in the test's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import uvicorn
from served import Served

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.http.app import create_app

SECRET = "what all pods of these tests know, and nobody else"


def free_ports(number: int) -> list[int]:
    """Of loopback, that nobody has now."""
    with ExitStack() as until_known:
        sockets = [until_known.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@asynccontextmanager
async def pods(number: int = 2, **settings: object) -> AsyncIterator[list[Served]]:
    """All know each other."""
    ports = free_ports(number)
    peers = [f"http://127.0.0.1:{port}" for port in ports]
    async with AsyncExitStack() as until_exit:
        begun = [pod(port, peers=peers, **settings) for port in ports]
        yield [await until_exit.enter_async_context(one) for one in begun]


@asynccontextmanager
async def pod(port: int, **settings: object) -> AsyncIterator[Served]:
    given = {"peer_secret": SECRET, "placement": "pack", **settings}
    app = create_app(Settings(port=port, **given), FakeEngine)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="on"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "the service did not start"
        await asyncio.sleep(0.01)
    try:
        await app.state.service.worker.settled.wait()
        yield Served(f"http://127.0.0.1:{port}", app.state.service)
    finally:
        server.should_exit = True
        await running
