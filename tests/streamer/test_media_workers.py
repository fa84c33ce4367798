"""Several media workers and one engine, as the processes that they are."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from clients import grey_frames
from fake_viewer import eventually
from pydantic import SecretStr, ValidationError
from test_client_resume import TRACK, first_after, free_port, goes_on, is_ready, track_something

from streamer.client import Client, Masks
from streamer.client.errors import ServiceFull
from streamer.config import Settings
from streamer.media_workers import share_of

SECRET = SecretStr("s" * 32)


@dataclass
class Program:
    """The processes of one service."""

    url: str
    process: asyncio.subprocess.Process
    told: list[list[tuple[str, int]]] = field(default_factory=list)

    def pids(self, name: str) -> list[int]:
        return [pid for each, pid in self.told[-1] if each == name]

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.told.append(json.loads(line))

    async def sessions(self, http: httpx.AsyncClient) -> float:
        """Of all workers, whichever of them answers."""
        text = (await http.get(f"{self.url}/metrics")).text
        found = re.search(r"^streamer_sessions (\S+)$", text, re.MULTILINE)
        assert found is not None, text
        return float(found[1])


@asynccontextmanager
async def program(**settings: object) -> AsyncIterator[Program]:
    port = free_port()
    environment = {f"STREAMER_{name.upper()}": str(value) for name, value in settings.items()}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("media_program.py")),
        env={**os.environ, "PYTHONPATH": path, "STREAMER_PORT": str(port), **environment},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = Program(f"http://127.0.0.1:{port}", process)
    listening = asyncio.create_task(running.listen())
    try:
        async with httpx.AsyncClient() as http, asyncio.timeout(120):
            while not await is_ready(http, port) or len(running.pids("media")) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


async def let_in(url: str, stack: AsyncExitStack) -> Client:
    """A viewer who comes again while a worker that has begun is not known to the full one yet."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await stack.enter_async_context(Client(url, grey_frames()))
            except ServiceFull:
                await asyncio.sleep(0.3)


async def watching(url: str, stack: AsyncExitStack, count: int) -> list[Client]:
    clients = [await let_in(url, stack) for _ in range(count)]
    for client in clients:
        await track_something(client)
    return clients


async def prompt_over_http(http: httpx.AsyncClient, url: str, client: Client) -> Sequence[dict]:
    message = {"type": "prompt", "seq": 1, "track_id": TRACK, "points": [[0.25, 0.5, 1]]}
    asked = f"{url}/sessions/{client._link.control.hello.result().session}/prompts"
    answer = await http.post(asked, json={"messages": [message]})
    assert answer.status_code == 200, answer.text
    return answer.json()["answers"]


async def test_they_share_viewers_outlive_the_engine_and_one_that_dies_takes_its_own_along():
    async with (
        program(media_workers=2, max_sessions=4) as running,
        httpx.AsyncClient() as http,
        AsyncExitStack() as stack,
    ):
        clients = await watching(running.url, stack, 4)
        async with asyncio.timeout(20):
            while await running.sessions(http) != 4:  # noqa: ASYNC110 (other processes count)
                await asyncio.sleep(0.1)
        with pytest.raises(ServiceFull):
            async with Client(running.url, grey_frames()):
                pass
        for _ in range(6):  # which of them the kernel chooses is chance
            async with httpx.AsyncClient() as new:
                [answer] = await prompt_over_http(new, running.url, clients[0])
                assert answer["type"] == "ack"

        await outlive_their_engine(running, clients)

        [victim, other] = running.pids("media")
        engines = running.pids("engine")
        os.kill(victim, signal.SIGKILL)
        moved = await asyncio.gather(*(asyncio.wait_for(moved_on(c), 60) for c in clients))
        assert sum(moved) == 2, "its two viewers moved, those of the other did not"
        assert running.pids("engine") == engines
        assert other in running.pids("media")
        assert victim not in running.pids("media")
        assert len(running.pids("media")) == 2

        moves = [client.stats.moves for client in clients]
        running.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(30):
            while await some_are_open(running.url):  # noqa: ASYNC110 (other processes)
                await asyncio.sleep(0.1)
        assert [client.stats.moves for client in clients] == moves, "who is in stays"
        assert running.process.returncode is None
        await stack.aclose()
        running.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.process.wait(), 60) == 0


async def some_are_open(url: str) -> bool:
    """Whether any of the workers, of which the kernel chooses one by chance, lets viewers in."""
    told = []
    for _ in range(8):
        async with httpx.AsyncClient(base_url=url) as new:
            told.append((await new.get("/readyz")).is_success)
    return any(told)


async def outlive_their_engine(running: Program, clients: Sequence[Client]) -> None:
    """It is killed; each viewer goes on where its object was seen last, and connects to nothing."""
    media, [engine] = running.pids("media"), running.pids("engine")
    before = [await index_after(client, 20) for client in clients]
    os.kill(engine, signal.SIGKILL)
    for masks in await asyncio.gather(*map(first_anew, clients, before)):
        goes_on(masks)
    assert [client.stats.moves for client in clients] == [0] * len(clients)
    await eventually(lambda: running.pids("engine") not in ([], [engine]))
    assert running.pids("media") == media


async def index_after(client: Client, index: int) -> int:
    """Of a frame with its track, that was not among the stream's first."""
    async with asyncio.timeout(30):
        async for masks in client.masks():
            if masks.frame.index > index and masks.frame.objects:
                return masks.frame.index
    raise AssertionError("the masks ended")


async def first_anew(client: Client, before: int) -> Masks:
    """The first masks of another engine, which counts its frames from 0, that hold a track."""
    async with asyncio.timeout(60):
        async for masks in client.masks():
            if masks.frame.index < before and masks.frame.objects:
                return masks
    raise AssertionError("the masks ended")


async def moved_on(client: Client) -> bool:
    """Whether it had to connect again, and went on with its track."""
    seen = client.stats.masks
    async for masks in client.masks():
        if client.stats.moves:
            break
        if client.stats.masks > seen + 60:
            return False
        assert masks.frame.objects[0].track_id == TRACK
    goes_on(await first_after(client))
    return True


def test_each_has_its_share_of_sessions_and_ports():
    settings = Settings(max_sessions=5, media_ports=(50_000, 50_009), media_workers=3)
    urls = [f"http://127.0.0.1:{port}" for port in (7001, 7002, 7003)]
    shares = [share_of(settings, number, urls, SECRET) for number in range(3)]
    assert [share.max_sessions for share in shares] == [2, 2, 1]
    assert [share.media_ports for share in shares] == [
        (50_000, 50_003),
        (50_004, 50_006),
        (50_007, 50_009),
    ]
    assert shares[1].peer_url == urls[1]
    assert shares[1].peers == (urls[0], urls[2])
    assert {share.resume_secret for share in shares} == {SECRET}
    assert {share.media_workers for share in shares} == {0}


@pytest.mark.parametrize(
    "settings",
    [
        {"max_sessions": 1},
        {"media_ports": (50_000, 50_000)},
        {"metrics_port": 9090},
        {"peers": ("http://10.0.0.1:8080",), "peer_secret": "s" * 32, "peer_address": "10.0.0.2"},
    ],
)
def test_what_cannot_be_shared_out_is_refused(settings):
    with pytest.raises(ValidationError, match="media worker"):
        Settings(media_workers=2, **settings)
