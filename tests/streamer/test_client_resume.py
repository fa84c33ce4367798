"""A client that goes on: its network dies, its service is killed, drains, or another is named."""

import asyncio
import math
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from clients import grey_frames, masks_with, to_the_end
from fake_viewer import eventually
from served import serving

from fake_engine import FakeEngine
from streamer.client import Client, ConnectError, ConnectionLost, Masks, Point, SessionEnded
from streamer.client import link as client_link
from streamer.session.resume import Carried

SECRET = "a secret that the services of one name share"
TRACK = 7


@pytest.fixture(autouse=True)
def soon_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_link, "SILENT_S", 2.5)


async def track_something(client: Client) -> None:
    """One track at the left, and a token that knows of it."""
    await client.prompt(TRACK, points=[Point(0.25, 0.5)])
    await eventually(lambda: client._link.control.resume is not None)


async def first_after(client: Client, moves: int = 1) -> Masks:
    """The first masks of another connection."""
    moved_at_s = math.inf
    async with asyncio.timeout(30):
        async for masks in client.masks():
            if client.stats.moves == moves:
                moved_at_s = min(moved_at_s, time.monotonic())
            if masks.received_at_s >= moved_at_s:
                return masks
    raise AssertionError("the masks ended")


def goes_on(masks: Masks) -> None:
    """The same track, where it was."""
    (item,) = masks.frame.objects
    assert item.track_id == TRACK
    columns = np.nonzero(item.mask)[1]
    assert columns.mean() / masks.frame.grid_width == pytest.approx(0.25, abs=0.05)


def cut_network(client: Client) -> None:
    """Closes the client's sockets under it, as when an interface goes away."""
    ice = client._link._peer.sctp.transport.transport._connection
    for protocol in ice._protocols:
        protocol.transport.abort()


def go_silent(client: Client) -> None:
    """Loses every packet of the client, both ways, as when a cable is pulled somewhere."""
    ice = client._link._peer.sctp.transport.transport._connection

    async def lose(*_data: object) -> None:
        """Sends nothing."""

    for protocol in ice._protocols:
        protocol.datagram_received = protocol.send_stun = lambda *_data: None
        protocol.send_data = lose


@pytest.mark.parametrize("fail", [cut_network, go_silent])
async def test_when_the_network_dies_tracking_goes_on_at_the_same_service(
    fail: Callable[[Client], None],
):
    engine = FakeEngine()
    async with serving(lambda: engine) as served, Client(served.url, grey_frames()) as client:
        await track_something(client)
        fail(client)
        last = client.stats.masks
        goes_on(masks := await first_after(client))
        assert (client.resumed, client.resumed_how) == ((TRACK,), "memory")
        assert masks.frame.index >= last, "the stream's own count goes on"
        assert engine.num_opened == 1, "nothing was begun anew"
        ack = await client.prompt(TRACK, points=[Point(0.26, 0.5)])
        assert ack.track_id == TRACK
        await eventually(lambda: served.service.num_open == 1)


async def test_a_full_service_takes_its_own_viewer_back():
    async with serving(max_sessions=1) as served, Client(served.url, grey_frames()) as client:
        await track_something(client)
        go_silent(client)
        goes_on(await first_after(client))
        assert client.resumed_how == "memory"
        assert served.service.num_open == 1


@asynccontextmanager
async def program(port: int, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The service in a process of its own, with a fake engine."""
    environment = {f"STREAMER_{name.upper()}": value for name, value in settings.items()}
    file = Path(__file__).with_name("fake_engine.py")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(file), str(port),
        env={**os.environ, "STREAMER_RESUME_SECRET": SECRET, "PYTHONPATH": path, **environment},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient() as http, asyncio.timeout(60):
            while not await is_ready(http, port):  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).is_success
    except httpx.TransportError:  # it does not listen yet
        return False


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


async def test_when_the_service_is_killed_tracking_goes_on_at_the_one_that_is_started_anew():
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with program(port) as first, Client(url, grey_frames(), resume_s=60) as client:
        await track_something(client)
        first.kill()
        await first.wait()
        async with program(port):
            goes_on(await first_after(client))
            assert (client.resumed, client.resumed_how) == ((TRACK,), "boxes")


async def test_when_the_service_drains_its_viewers_go_where_it_says_and_it_ends_with_0():
    here, there = free_port(), free_port()
    async with (
        program(there),
        program(here, drain_url=f"http://127.0.0.1:{there}") as first,
        Client(f"http://127.0.0.1:{here}", grey_frames()) as client,
    ):
        await track_something(client)
        first.send_signal(signal.SIGTERM)
        goes_on(await first_after(client))
        assert await asyncio.wait_for(first.wait(), 30) == 0


async def test_a_client_moves_to_another_port_without_a_gap():
    async with (
        serving(resume_secret=SECRET) as here,
        serving(resume_secret=SECRET) as there,
        Client(here.url, grey_frames()) as client,
    ):
        await track_something(client)
        await client.configure("none")
        before = client.stats
        await client.move(there.url)
        goes_on(await first_after(client))
        await eventually(lambda: here.service.num_open == 0)
        (stay,) = there.service._sessions.values()
        await eventually(lambda: str(stay.session.display.output.mode) == "none")
        now = client.stats
        assert now.masks > before.masks
        assert now.sent > before.sent
        with pytest.raises(ConnectError):
            await client.move(f"http://127.0.0.1:{free_port()}")
        await masks_with(client, TRACK)


async def test_a_client_that_may_not_go_on_says_that_its_connection_was_lost():
    async with serving() as served, Client(served.url, grey_frames(), resume_s=0) as client:
        await track_something(client)
        go_silent(client)
        with pytest.raises(ConnectionLost, match=r"nothing for 2\.5 s"):
            await to_the_end(client)


async def test_a_client_that_finds_no_other_service_says_so():
    async with serving() as served:
        client = Client(served.url, grey_frames(), resume_s=0.5)
        async with client:
            await track_something(client)
            served.service.begin_stop()
            with pytest.raises(ConnectionLost, match="ended the session") as lost:
                await to_the_end(client)
            assert type(lost.value) is ConnectionLost, "another service would have been good"
            refused = served.service.metrics.offers_refused.labels("not_ready")
            assert refused._value.get() >= 1


async def test_a_session_whose_time_is_over_is_over_for_its_client_however_often_it_moved():
    async with serving(max_session_s=600) as served, Client(served.url, grey_frames()) as client:
        await track_something(client)
        (first,) = served.service._sessions.values()
        cut_network(client)
        goes_on(await first_after(client))
        await eventually(first.has_ended.is_set)
        (second,) = served.service._sessions.values()
        assert second.session.term.until_s == first.session.term.until_s
        second.session.term.lower(time.time())
        with pytest.raises(SessionEnded, match="600 s of this session are over"):
            await to_the_end(client)
        with pytest.raises(SessionEnded):
            await client.prompt(TRACK, points=[Point(0.5, 0.5)])
        await eventually(lambda: served.service.num_open == 0)
        assert served.service.metrics.offers_accepted._value.get() == 2


async def test_a_client_whose_session_is_over_meanwhile_does_not_try_again():
    async with serving() as served, Client(served.url, grey_frames()) as client:
        await track_something(client)
        (stay,) = served.service._sessions.values()
        carried = Carried(
            session_id=stay.session.session_id, seen_at_s=0.0, tracks=(), until_s=time.time()
        )
        client._link.control.resume = served.service._seals.seal(carried).token
        cut_network(client)
        with pytest.raises(SessionEnded, match="the time of this session is over"):
            await to_the_end(client)
        refused = served.service.metrics.offers_refused.labels("time_up")
        assert refused._value.get() == 1
