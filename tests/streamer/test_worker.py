import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np
import pytest

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from sam2_rt.remote.host import Host
from sam2_rt.remote.remote_engine import RemoteEngine
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt
from streamer.worker import Steps, Worker, WorkerDied, WorkerState


class SlowEngine(FakeEngine):
    """Steps when it may, so that requests pile up."""

    def __init__(self) -> None:
        super().__init__()
        self.may_step = threading.Event()
        self.is_asked = threading.Event()
        self.threads: set[int] = set()
        self.stepped: list[set[int]] = []

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        self.is_asked.set()
        self.may_step.wait(15)
        self.threads.add(threading.get_ident())
        self.stepped.append({request.stream_id for request in requests})
        return super().step(requests)


class WorkerKilled(BaseException):
    """No Exception: it ends a thread."""


@asynccontextmanager
async def working(load: Callable[[], Steps], max_batch: int = 8) -> AsyncIterator[Worker]:
    worker = Worker(load, max_batch, max_waiting=16)
    worker.start()
    await worker.settled.wait()
    yield worker
    assert await worker.stop(timeout_s=5)


def request(stream_id: int, pts: int = 0, *prompts: Prompt) -> StepRequest:
    planes = tuple(np.zeros(size, np.uint8) for size in ((4, 4), (2, 2), (2, 2)))
    return StepRequest(stream_id, Frame(pts, planes), prompts)


def poison(track_id: int = 666) -> Prompt:
    return Prompt(track_id, points=(Point(0.5, 0.5),))


async def test_a_step_is_answered_from_another_thread():
    engine = SlowEngine()
    engine.may_step.set()
    async with working(lambda: engine) as worker:
        stream_id = await worker.open()
        result = await worker.step(request(stream_id, 90))
    assert (result.index, result.pts) == (0, 90)
    assert engine.threads.isdisjoint({threading.get_ident()})


async def test_requests_that_wait_make_one_batch_up_to_its_bound():
    engine = SlowEngine()
    async with working(lambda: engine, max_batch=3) as worker:
        ids = [await worker.open() for _ in range(6)]
        waiting = [asyncio.create_task(worker.step(request(i))) for i in ids]
        await asyncio.sleep(0.05)  # the thread holds what it took by now; the rest waits
        engine.may_step.set()
        results = await asyncio.gather(*waiting)
    assert [r.index for r in results] == [0] * 6
    assert sum(engine.batch_sizes) == 6
    assert max(engine.batch_sizes) == 3


async def test_a_fault_of_one_request_reaches_its_own_caller_only():
    engine = SlowEngine()
    async with working(lambda: engine) as worker:
        good, bad = await worker.open(), await worker.open()
        waiting = [
            asyncio.create_task(worker.step(request(good))),
            asyncio.create_task(worker.step(request(bad, 0, poison()))),
        ]
        await asyncio.sleep(0)
        engine.may_step.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(answers[0], StepResult)
        assert isinstance(answers[1], RuntimeError)
        assert (await worker.step(request(bad, 1))).index == 0


async def test_of_more_streams_than_fit_none_waits_longer_than_its_turn():
    engine = SlowEngine()
    engine.may_step.set()
    async with working(lambda: engine, max_batch=2) as worker:
        ids = [await worker.open() for _ in range(6)]

        async def follow(stream_id: int) -> None:
            for pts in range(20):
                await worker.step(request(stream_id, pts))

        await asyncio.gather(*map(follow, ids))
    assert max(engine.batch_sizes) == 2
    last = dict.fromkeys(ids, -1)
    for tick, stepped in enumerate(engine.stepped):
        for stream_id in stepped:
            assert tick - last[stream_id] <= 3 + (last[stream_id] < 0)
            last[stream_id] = tick


async def test_the_request_is_made_when_its_tick_begins_and_not_before():
    engine = SlowEngine()
    async with working(lambda: engine) as worker:
        first, second = await worker.open(), await worker.open()
        newest = 0
        stepping = asyncio.create_task(worker.step(request(first)))
        await asyncio.to_thread(engine.is_asked.wait, 15)
        waiting = asyncio.create_task(worker.timed_step(second, lambda: request(second, newest)))
        await asyncio.sleep(0)
        newest = 77
        engine.may_step.set()
        assert (await waiting).result.pts == 77
        await stepping


async def test_a_caller_that_left_before_its_tick_is_not_asked():
    engine = SlowEngine()
    async with working(lambda: engine) as worker:
        first, second = await worker.open(), await worker.open()
        stepping = asyncio.create_task(worker.step(request(first)))
        await asyncio.to_thread(engine.is_asked.wait, 15)
        leaving = asyncio.create_task(worker.timed_step(second, lambda: 1 / 0))
        await asyncio.sleep(0)
        leaving.cancel()
        engine.may_step.set()
        await stepping
        await worker.close(second)
        assert (await worker.step(request(first, 1))).index == 1
    assert engine.batch_sizes == [1, 1]


async def test_who_cannot_make_its_request_is_told_and_the_others_step():
    engine = SlowEngine()
    async with working(lambda: engine) as worker:
        first, second = await worker.open(), await worker.open()
        stepping = asyncio.create_task(worker.step(request(first)))
        await asyncio.to_thread(engine.is_asked.wait, 15)
        failing = asyncio.create_task(worker.timed_step(second, lambda: 1 / 0))
        await asyncio.sleep(0)
        engine.may_step.set()
        with pytest.raises(ZeroDivisionError):
            await failing
        assert (await stepping).index == 0
        assert (await worker.step(request(second))).index == 0


@pytest.fixture
def long_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.engine_thread.window_s", lambda _took_s: 600.0)


@pytest.mark.usefixtures("long_window")
async def test_who_was_answered_is_waited_for_in_the_window():
    async with working(FakeEngine) as worker:
        first, second = await worker.open(), await worker.open()
        await worker.step(request(first))
        waiting = asyncio.create_task(worker.step(request(second)))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await worker.step(request(first, 1))
        assert (await waiting).batch_frames == 2


@pytest.mark.usefixtures("long_window")
async def test_an_engine_of_several_processes_waits_for_them_itself(tmp_path: Path):
    address, key = str(tmp_path / "socket"), b"k" * 32
    host = Host(FakeEngine(), Listener(address, authkey=key))
    threading.Thread(target=host.serve, daemon=True).start()
    async with working(lambda: RemoteEngine(Client(address, authkey=key), 100)) as worker:
        first, second = await worker.open(), await worker.open()
        await worker.step(request(first))
        answer = await asyncio.wait_for(worker.step(request(second)), 30)
        assert answer.batch_frames == 1


async def test_it_tells_how_many_frames_made_a_batch():
    engine = SlowEngine()
    told: list[int] = []
    async with working(lambda: engine) as worker:
        worker.on_batch = told.append
        ids = [await worker.open() for _ in range(3)]
        waiting = [asyncio.create_task(worker.step(request(ids[0])))]
        await asyncio.to_thread(engine.is_asked.wait, 15)
        waiting += [asyncio.create_task(worker.step(request(i))) for i in ids[1:]]
        await asyncio.sleep(0)
        engine.may_step.set()
        await asyncio.gather(*waiting)
    assert told == engine.batch_sizes == [1, 2]


async def test_an_engine_that_raises_for_a_whole_batch_goes_on():
    async with working(FakeEngine) as worker:
        with pytest.raises(KeyError):
            await worker.step(request(stream_id=77))
        assert worker.state is WorkerState.READY
        assert await worker.open() == 1


async def test_a_stream_closes_after_the_step_of_a_caller_that_left():
    engine = SlowEngine()
    async with working(lambda: engine) as worker:
        stream_id = await worker.open()
        leaving = asyncio.create_task(worker.step(request(stream_id)))
        await asyncio.to_thread(engine.is_asked.wait, 15)
        leaving.cancel()
        closing = asyncio.create_task(worker.close(stream_id))
        await asyncio.sleep(0)
        engine.may_step.set()
        await closing
    assert engine.batch_sizes == [1]
    assert not engine.streams


async def test_a_model_that_cannot_be_loaded_leaves_a_dead_worker():
    def load() -> Steps:
        raise FileNotFoundError("no weights")

    async with working(load) as worker:
        assert worker.state is WorkerState.DEAD
        assert isinstance(worker.fault, FileNotFoundError)
        with pytest.raises(WorkerDied):
            await worker.open()


async def test_whoever_waits_when_the_thread_dies_is_told():
    class Mortal(SlowEngine):
        def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
            self.may_step.wait(15)
            raise WorkerKilled

    engine = Mortal()
    async with working(lambda: engine, max_batch=1) as worker:
        ids = [await worker.open() for _ in range(3)]
        waiting = [asyncio.create_task(worker.step(request(i))) for i in ids]
        await asyncio.sleep(0)
        engine.may_step.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(answer) for answer in answers] == [WorkerDied] * 3
        assert worker.state is WorkerState.DEAD


async def test_whoever_waits_when_the_worker_stops_is_told():
    engine = SlowEngine()
    worker = Worker(lambda: engine, 1, 16)
    worker.start()
    ids = [await worker.open() for _ in range(2)]
    waiting = [asyncio.create_task(worker.step(request(i))) for i in ids]
    await asyncio.sleep(0)
    stopping = asyncio.create_task(worker.stop(timeout_s=5))
    await asyncio.sleep(0)
    engine.may_step.set()
    assert await stopping
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[1], WorkerDied)


async def test_a_stop_that_cannot_wait_tells_whoever_waits():
    engine = SlowEngine()
    worker = Worker(lambda: engine, 1, 16)
    worker.start()
    stepping = asyncio.create_task(worker.step(request(await worker.open())))
    await asyncio.to_thread(engine.is_asked.wait, 15)
    waiting = asyncio.create_task(worker.open())
    closing = asyncio.create_task(worker.close(1))
    await asyncio.sleep(0)
    assert not await worker.stop(timeout_s=0.01)
    answers = await asyncio.gather(stepping, waiting, closing, return_exceptions=True)
    assert [type(answer) for answer in answers] == [WorkerDied, WorkerDied, type(None)]
    engine.may_step.set()
    assert await worker.stop(timeout_s=5)


async def test_a_stream_of_a_stopped_worker_needs_no_closing():
    async with working(FakeEngine) as worker:
        stream_id = await worker.open()
        assert await worker.stop(timeout_s=5)
        await worker.close(stream_id)
