"""The host on a thread, its callers on others: the same connections as between processes."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
        self.has_begun = threading.Event()

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
        self.may_step.wait(10)
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
def hosted(folder: Path) -> Iterator[tuple[Bright, str]]:
    engine, address = Bright(), str(folder / "socket")
    host = Host(engine, Listener(address, backlog=8, authkey=KEY))
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
        streams = [each.open() for each in callers]
        bright.may_step.clear()
        steps = [
            threads.submit(each.step, [request(stream)])
            for each, stream in zip(callers[:1], streams[:1], strict=True)
        ]
        bright.has_begun.wait(10)  # the first is being stepped; the others wait behind it
        arrived = threading.Barrier(4)

        def ask(each: RemoteEngine, stream: int) -> object:
            arrived.wait(10)
            return each.step([request(stream)])

        steps += [threads.submit(ask, *each) for each in zip(callers[1:], streams[1:], strict=True)]
        arrived.wait(10)
        threading.Event().wait(0.2)  # for what they said to get there
        bright.may_step.set()
        answers = [step.result(10) for step in steps]
    assert all(isinstance(answer[0], StepResult) for answer in answers)
    assert bright.batches == [1, 3]


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
