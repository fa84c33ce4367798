"""The bundled model in a process of its own, beside the same model in this one."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sam2_rt.engine import (
    Applied,
    Engine,
    EngineConfig,
    PresenceLimits,
    StepRequest,
    StepResult,
    TrackerConfig,
)
from sam2_rt.fault import EngineLost, StreamLost
from sam2_rt.remote.engine_process import EngineProcess
from sam2_rt.steps import Steps
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt

SEEN = PresenceLimits(visible_above=-50.0, hidden_below=-60.0)
CONFIG = EngineConfig(
    image_size=64, device="cpu", threads=1, tracker=TrackerConfig(max_tracks=2, presence=SEEN)
)
CLICK = Prompt(1, points=(Point(0.5, 0.5),))


@pytest.fixture(scope="module")
def process() -> Iterator[EngineProcess]:
    with EngineProcess(partial(Engine.load, CONFIG), max_pixels=64 * 36) as process:
        yield process


def frame(pts: int) -> Frame:
    luma = np.random.default_rng(pts).integers(16, 235, (36, 64), dtype=np.uint8)
    chroma = np.full((18, 32), 128, np.uint8)
    return Frame(pts, (luma, chroma, chroma))


def played(engine: Steps) -> list[StepResult]:
    """Three frames of one stream, rest, and one more twice; then the track is given up."""
    stream = engine.open()
    requests = [StepRequest(stream, frame(0), (CLICK,))]
    requests += [StepRequest(stream, frame(pts)) for pts in (1, 2)]
    results = [one(engine.step([request])) for request in requests]
    assert engine.park(stream) == (1,)
    adopted = engine.adopt(stream)
    assert adopted is not None
    assert (adopted.track_ids, adopted.encoder_calls) == ((1,), 3)
    results.append(one(engine.step([StepRequest(stream, frame(3), is_again=True)])))
    results.append(one(engine.step([StepRequest(stream, frame(3), (CLICK,), is_again=True)])))
    assert results[-1].encoder_calls == 4, "three, and the fourth twice"
    results.append(one(engine.step([StepRequest(stream, frame(3), (), (1,))])))
    engine.close(stream)
    return results


def one(answers: Sequence[StepResult | Exception]) -> StepResult:
    [answer] = answers
    assert isinstance(answer, StepResult), answer
    return answer


def test_it_answers_as_an_engine_in_this_process_does(process: EngineProcess):
    there, here = played(process.connect()), played(Engine.load(CONFIG))
    for remote, local in zip(there, here, strict=True):
        assert (remote.index, remote.pts, remote.encoder_calls) == (
            local.index,
            local.pts,
            local.encoder_calls,
        )
        assert (remote.prompts, remote.events) == (local.prompts, local.events)
        for other, own in zip(remote.masks, local.masks, strict=True):
            np.testing.assert_array_equal(other.mask, own.mask)
            np.testing.assert_allclose(other.logits, own.logits, atol=1e-4)
    assert isinstance(there[-1].removals[0], Applied)
    assert there[-1].masks == ()


def test_when_it_is_killed_its_callers_hear_of_it_and_the_next_one_has_another(
    process: EngineProcess,
):
    engine = process.connect()
    stream = engine.open()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(EngineLost, match="gone"):
        engine.step([StepRequest(stream, frame(0))])
    with pytest.raises(EngineLost):
        engine.open()
    another = process.connect()
    assert isinstance(another.step([StepRequest(stream, frame(0))])[0], StreamLost)
    assert one(another.step([StepRequest(another.open(), frame(0))])).index == 0


def test_one_that_looks_alive_and_does_not_answer_is_replaced(
    process: EngineProcess, monkeypatch: pytest.MonkeyPatch
):
    process.connect().hang_up()
    before = process.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    ended = os.pidfd_open(before)
    assert select.select([ended], [], [], 30)[0]
    os.close(ended)
    alive = type(process._process).is_alive
    monkeypatch.setattr(  # as in the moment before it is seen to have ended
        type(process._process), "is_alive", lambda self: self.pid == before or alive(self)
    )
    assert process.connect().info.model == "nano"
    assert process.pid != before


def test_what_keeps_it_from_loading_is_told():
    config = EngineConfig(device="cuda:77")
    with (
        EngineProcess(partial(Engine.load, config), max_pixels=100) as process,
        pytest.raises(ValueError, match="cuda:77"),
    ):
        process.connect()


PROGRAM = """
import time
from types import SimpleNamespace
from sam2_rt.remote.engine_process import EngineProcess

def load():
    return SimpleNamespace(info=SimpleNamespace(image_size=64, max_tracks=1))

if __name__ == "__main__":
    process = EngineProcess(load, 100)
    process.connect()
    print(process.pid, flush=True)
    time.sleep(600)
"""


def test_it_ends_with_the_process_that_started_it(tmp_path: Path):
    script = tmp_path / "starts_an_engine.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    ended, _, _ = select.select([descriptor], [], [], 30)
    os.close(descriptor)
    assert ended
