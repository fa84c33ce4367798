import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
from fake_viewer import eventually
from loopback import connected

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from streamer.config import Settings
from streamer.server import Server
from streamer.worker import Steps, Worker


class Told:
    """What the server told its operator."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.workers: list[Worker] = []


@asynccontextmanager
async def running(
    load: Callable[[], Steps] = FakeEngine, **settings: float
) -> AsyncIterator[tuple[Server, "asyncio.Task[None]", Told]]:
    told = Told()
    server = Server(Settings(port=0, **settings), load, told.urls.append, told.workers.append)
    task = asyncio.create_task(server.serve())
    await eventually(lambda: bool(told.workers))
    yield server, task, told
    server.should_exit = True
    await asyncio.wait_for(task, 10)


async def test_a_signal_drains_and_what_is_left_is_ended_before_the_server():
    async with (
        running(drain_timeout_s=0.5) as (server, task, told),
        connected(told.urls[0]) as viewer,
    ):
        service = server._service
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(task, 10)
        sample = service.metrics.registry.get_sample_value
        assert sample("streamer_sessions_ended_total", {"outcome": "stopped"}) == 1
        assert service.worker.fault is None
        assert viewer.errors() == [("stopped", None)]
        (drain,) = [m for m in viewer.said if m["type"] == "migrate"]
        assert 0 < drain["seconds"] <= 0.5


async def test_before_it_is_stopped_a_pod_lets_nobody_in_and_its_viewers_stay():
    async with running(drain_timeout_s=600) as (server, task, told):
        async with connected(told.urls[0]) as viewer, httpx.AsyncClient() as http:
            assert signal.getsignal(signal.SIGUSR1) == server._close, "or it would end the tests"
            os.kill(os.getpid(), signal.SIGUSR1)
            await eventually(lambda: server._service.is_draining)
            assert (await http.get(f"{told.urls[0]}/readyz")).status_code == 503
            body = {"sdp": "v=0", "type": "offer"}
            refused = await http.post(f"{told.urls[0]}/offer", json=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
            seen = viewer.masks[-1].index
            await eventually(lambda: viewer.masks[-1].index > seen + 10)
            assert not any(m["type"] == "migrate" for m in viewer.said), "it is not told yet"
        await eventually(lambda: server._service.num_open == 0)
        ticks: list[int] = []
        tick = server.on_tick

        async def count(counter: int) -> bool:
            ticks.append(counter)
            return await tick(counter)

        server.on_tick = count
        await eventually(lambda: len(ticks) > 2)
        assert not task.done(), "it waits for SIGTERM, empty or not"
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(task, 10)


async def test_viewers_are_told_to_go_when_the_pod_is_stopped_after_it_was_closed():
    async with (
        running(drain_timeout_s=600) as (server, _, told),
        connected(told.urls[0]) as viewer,
    ):
        server._close(signal.SIGUSR1, None)
        await eventually(lambda: server._service.is_draining)
        server.handle_exit(signal.SIGTERM, None)
        await eventually(lambda: any(m["type"] == "migrate" for m in viewer.said))


async def test_a_drain_ends_with_the_last_session():
    async with running(drain_timeout_s=600) as (server, task, told):
        async with connected(told.urls[0]) as viewer, httpx.AsyncClient() as http:
            server.handle_exit(signal.SIGTERM, None)
            await eventually(lambda: any(m["type"] == "migrate" for m in viewer.said))
            assert (await http.get(f"{told.urls[0]}/readyz")).status_code == 503
            assert (await http.get(f"{told.urls[0]}/livez")).status_code == 200
            body = {"sdp": "v=0", "type": "offer"}
            refused = await http.post(f"{told.urls[0]}/offer", json=body)
            assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
            assert not task.done()
        await asyncio.wait_for(task, 10)
        sample = server._service.metrics.registry.get_sample_value
        assert sample("streamer_sessions_ended_total", {"outcome": "left"}) == 1


async def test_probes_are_answered_while_the_sessions_end():
    async with running() as (server, _, told), httpx.AsyncClient() as http:
        server._service._sessions["stuck"] = SimpleNamespace(session=Stuck())
        server.handle_exit(signal.SIGINT, None)
        await eventually(lambda: server._service.is_stopping)
        assert (await http.get(f"{told.urls[0]}/readyz")).status_code == 503
        assert (await http.get(f"{told.urls[0]}/livez")).status_code == 200
        del server._service._sessions["stuck"]


class Stuck:
    """A session that takes its time."""

    def end(self, outcome: object) -> None:
        """Not yet."""


async def test_a_second_interrupt_does_not_wait():
    async with running() as (server, task, _):
        server._service._sessions["stuck"] = SimpleNamespace(session=Stuck())
        server.handle_exit(signal.SIGINT, None)
        server.handle_exit(signal.SIGINT, None)
        await eventually(lambda: server.should_exit and server.force_exit)
        del server._service._sessions["stuck"]
        await asyncio.wait_for(task, 10)


async def test_a_stuck_step_does_not_hold_the_end_up():
    is_stuck, may_step = threading.Event(), threading.Event()

    class StuckEngine(FakeEngine):
        def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
            if any(request.prompts for request in requests):
                is_stuck.set()
                may_step.wait(60)
            return super().step(requests)

    async with (
        running(StuckEngine, stop_timeout_s=0.5, drain_timeout_s=0) as (server, task, told),
        connected(told.urls[0]) as viewer,
    ):
        viewer.click()
        await eventually(is_stuck.is_set)
        server.handle_exit(signal.SIGTERM, None)
        await asyncio.wait_for(task, 10)
        sample = server._service.metrics.registry.get_sample_value
        assert sample("streamer_sessions_ended_total", {"outcome": "stopped"}) == 1
        may_step.set()


async def test_a_worker_that_dies_ends_the_server():
    class Mortal(FakeEngine):
        def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
            if any(request.prompts for request in requests):
                raise SystemExit
            return super().step(requests)

    async with running(Mortal) as (server, task, told), connected(told.urls[0]) as viewer:
        viewer.click()
        await asyncio.wait_for(task, 10)
        assert isinstance(server._service.worker.fault, SystemExit)
        assert viewer.errors() == [("internal", None)]
