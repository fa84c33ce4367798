"""The host on a thread, its callers on others: the same connections as between processes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Client, Listener
from pathlib import Path

import numpy as np
import pytest

from sam2_rt.engine import Adopted, EngineInfo, StepRequest, StepResult, TrackMask, TrackState
from sam2_rt.fault import StreamLost
from sam2_rt.remote.host import Host
from sam2_rt.remote.remote_engine import RemoteEngine
from sam2_rt.tracking.frame import Frame

KEY = b"k" * 32
PLANES = (np.full((6, 8), 200, np.uint8), np.zeros((3, 4), np.uint8), np.zeros((3, 4), np.uint8))


class Unsendable(Exception):
    """Pickles, but cannot be made again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Bright:
    """Finds what is bright; steps when it may."""

    info = EngineInfo("bright", 16, "cpu", "float32", is_trained=True, max_tracks=1)

    def __init__(self) -> None:
        self.may_step = threading.Event()
        self.may_step.set()
        self.open_streams: dict[int, int] = {}
        self.batches: list[int] = []
        self.stepped: list[list[int]] = []
        self.has_begun = threading.Event()
        self.num_waiting: Callable[[], int] = lambda: 0

    def pile_up(self, asking: Sequence[Callable[[], object]], threads: Executor) -> list[Future]:
        """Has all of them ask, the first alone and the others while it is stepped, in order."""
        self.may_step.clear()
        futures = [threads.submit(asking[0])]
        assert self.has_begun.wait(15)
        for number, ask in enumerate(asking[1:], start=1):
            futures.append(threads.submit(ask))
            for _ in range(3000):
                if self.num_waiting() == number:
                    break
                threading.Event().wait(0.005)
        self.may_step.set()
        return futures

    def open(self) -> int:
        self.open_streams[len(self.open_streams)] = 0
        return len(self.open_streams) - 1

    def close(self, stream_id: int) -> None:
        del self.open_streams[stream_id]

    def park(self, stream_id: int) -> tuple[int, ...]:
        return (1,)

    def adopt(self, stream_id: int) -> Adopted | None:
        return Adopted((1,), self.open_streams[stream_id])

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        self.has_begun.set()
        self.may_step.wait(15)
        self.stepped.append([request.stream_id for request in requests])
        self.batches.append(len(requests))
        return [self._step(request) for request in requests]

    def _step(self, request: StepRequest) -> StepResult | Exception:
        if request.frame.pts == 666:
            return Unsendable(1, 2)
        self.open_streams[request.stream_id] += 1
        seen = request.frame.planes[0] > 100
        mask = TrackMask(1, TrackState.VISIBLE, 2.0, 0.5, seen, np.ones((4, 4), np.float32))
        return StepResult(0, request.frame.pts, (mask,), (), (), (), 1)


@contextmanager
def hosted(folder: Path, max_batch: int = 8) -> Iterator[tuple[Bright, str]]:
    engine, address = Bright(), str(folder / "socket")
    host = Host(engine, Listener(address, backlog=8, authkey=KEY), max_batch)
    engine.num_waiting = host._asked.qsize
    threading.Thread(target=host.serve, daemon=True).start()
    yield engine, address


def caller(address: str) -> RemoteEngine:
    return RemoteEngine(Client(address, authkey=KEY), max_pixels=100)


def request(stream_id: int, pts: int = 0) -> StepRequest:
    return StepRequest(stream_id, Frame(pts, PLANES))


def test_a_frame_goes_there_and_its_mask_comes_back(tmp_path):
    with hosted(tmp_path) as (_, address):
        engine = caller(address)
        assert engine.info == Bright.info
        (result,) = engine.step([request(engine.open(), 90)])
    assert isinstance(result, StepResult)
    assert result.pts == 90
    assert result.masks[0].mask.shape == (6, 8)
    assert result.masks[0].mask.all()


def test_what_waits_of_several_callers_is_one_batch(tmp_path):
    with hosted(tmp_path) as (bright, address), ThreadPoolExecutor() as threads:
        callers = [caller(address) for _ in range(4)]
        asking = [partial(each.step, [request(each.open())]) for each in callers]
        answers = [step.result(15) for step in bright.pile_up(asking, threads)]
    assert all(isinstance(answer[0], StepResult) for answer in answers)
    assert bright.batches == [1, 3]


def test_callers_that_go_on_asking_meet_in_every_tick(tmp_path, monkeypatch):
    """The window is long here, so that a machine that is busy does not decide."""
    monkeypatch.setattr("sam2_rt.remote.host.window_s", lambda _tick_s: 15.0)

    def go_on(engine: RemoteEngine, stream: int) -> None:
        for pts in range(5):
            engine.step([request(stream, pts)])
        engine.hang_up()

    with hosted(tmp_path) as (bright, address), ThreadPoolExecutor() as threads:
        callers = [caller(address) for _ in range(4)]
        asking = [partial(go_on, each, each.open()) for each in callers]
        for done in bright.pile_up(asking, threads):
            done.result(30)
    assert bright.batches == [1, 4, 4, 4, 4, 3]


def test_of_more_than_fit_in_a_batch_the_oldest_go_first(tmp_path):
    with hosted(tmp_path, max_batch=2) as (bright, address), ThreadPoolExecutor() as threads:
        callers = [caller(address) for _ in range(6)]
        asking = [partial(each.step, [request(each.open())]) for each in callers]
        for done in bright.pile_up(asking, threads):
            done.result(15)
    assert bright.stepped == [[0], [1, 2], [3, 4], [5]]


def test_a_caller_with_more_than_fit_gets_several_batches(tmp_path):
    with hosted(tmp_path, max_batch=2) as (bright, address):
        engine = caller(address)
        streams = [engine.open() for _ in range(5)]
        answers = engine.step([request(stream, 7) for stream in streams])
    assert [answer.pts for answer in answers] == [7] * 5
    assert bright.batches == [2, 2, 1]


def test_a_fault_is_the_answer_of_its_own_request(tmp_path):
    with hosted(tmp_path) as (_, address):
        engine = caller(address)
        good, bad = engine.open(), engine.open()
        answers = engine.step([request(bad, 666), request(good, 90)])
    assert isinstance(answers[0], RuntimeError)
    assert str(answers[0]) == "Unsendable: 1 and 2"
    assert isinstance(answers[1], StepResult)


def test_who_hangs_up_takes_its_streams_with_it_and_no_others(tmp_path):
    with hosted(tmp_path) as (bright, address):
        one, other = caller(address), caller(address)
        one.open()
        one.open()
        kept = other.open()
        one.hang_up()
        for _ in range(100):  # until it was noticed
            assert isinstance(other.step([request(kept)])[0], StepResult)
            if len(bright.open_streams) == 1:
                break
            threading.Event().wait(0.05)
    assert len(bright.open_streams) == 1


def test_streams_of_others_cannot_be_reached(tmp_path):
    with hosted(tmp_path) as (bright, address):
        one, other = caller(address), caller(address)
        mine = one.open()
        assert isinstance(other.step([request(mine)])[0], StreamLost)
        other.close(mine)
        assert other.park(mine) == ()
        assert other.adopt(mine) is None
        assert len(bright.open_streams) == 1


def test_a_parked_stream_goes_on(tmp_path):
    with hosted(tmp_path) as (_, address):
        engine = caller(address)
        stream = engine.open()
        engine.step([request(stream)])
        assert engine.park(stream) == (1,)
        assert engine.adopt(stream) == Adopted((1,), 1)
        assert isinstance(engine.step([request(stream)])[0], StepResult)


def test_who_does_not_know_the_key_is_turned_away(tmp_path):
    with hosted(tmp_path) as (_, address):
        with pytest.raises(Exception, match="digest"):
            Client(address, authkey=b"guess" * 4)
        engine = caller(address)
        assert isinstance(engine.step([request(engine.open())])[0], StepResult)


def test_a_frame_that_is_too_large_harms_no_other(tmp_path):
    with hosted(tmp_path) as (_, address):
        engine = caller(address)
        large, small = engine.open(), engine.open()
        plane = np.zeros((80, 80, 3), np.uint8)
        answers = engine.step([StepRequest(large, Frame(0, (plane,))), request(small)])
    assert isinstance(answers[0], ValueError)
    assert isinstance(answers[1], StepResult)
