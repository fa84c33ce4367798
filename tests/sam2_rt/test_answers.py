"""What goes wrong on the way from the device to the callers."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from sam2_rt import answers as answers_module
from sam2_rt.engine import (
    Engine,
    EngineConfig,
    EngineLost,
    EventKind,
    PresenceLimits,
    StepRequest,
    StepResult,
    TickLost,
    TrackerConfig,
)
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.transfer import receive

CLICK = Prompt(1, points=(Point(0.5, 0.5),))


@pytest.fixture(scope="module")
def engine() -> Engine:
    presence = PresenceLimits(visible_above=-50.0, hidden_below=-60.0)
    tracker = TrackerConfig(max_tracks=2, presence=presence)
    return Engine.load(EngineConfig(image_size=64, device="cpu", tracker=tracker))


def frame(pts: int, height: int = 36) -> Frame:
    luma = np.random.default_rng(pts).integers(16, 235, (height, 64), dtype=np.uint8)
    chroma = np.full(((height + 1) // 2, 32), 128, np.uint8)
    return Frame(pts, (luma, chroma, chroma))


def full(_: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    raise torch.OutOfMemoryError("no room for masks")


def test_without_memory_for_the_answers_each_stream_loses_this_frame_and_nothing_else(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    streams = [engine.open() for _ in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(answers_module, "receive", full)
        lost = engine.step([StepRequest(stream, frame(0), (CLICK,)) for stream in streams])
    assert [type(answer) for answer in lost] == [TickLost] * 3
    assert "no room for masks" in str(lost[0])
    found = engine.step([StepRequest(stream, frame(1)) for stream in streams])
    for answer in found:
        assert isinstance(answer, StepResult)
        assert answer.encoder_calls == 2
        assert [mask.track_id for mask in answer.masks] == [1], "it was clicked before the loss"
        assert [event.kind for event in answer.events] == [EventKind.ADDED], "told late, not lost"


def test_only_the_stream_whose_masks_find_no_room_loses_its_frame(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    def choosy(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        if any(tensor.shape[-2] == 1000 for tensor in tensors):
            raise RuntimeError("CUDA error: out of memory")  # what pinned memory raises
        return receive(tensors)

    small, large = engine.open(), engine.open()
    monkeypatch.setattr(answers_module, "receive", choosy)
    found, lost = engine.step(
        [StepRequest(small, frame(0), (CLICK,)), StepRequest(large, frame(0, 1000), (CLICK,))]
    )
    assert isinstance(found, StepResult)
    assert isinstance(lost, TickLost)


def test_a_device_that_died_on_the_way_is_found_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    def dead(device: torch.device) -> None:
        raise EngineLost(f"{device} does not answer any more")

    stream = engine.open()
    monkeypatch.setattr("sam2_rt.engine.check_alive", dead)
    monkeypatch.setattr(answers_module, "receive", full)
    with pytest.raises(EngineLost):
        engine.step([StepRequest(stream, frame(0), (CLICK,))])


def test_an_answer_tells_how_many_frames_were_stepped_with_it(engine: Engine):
    streams = [engine.open() for _ in range(3)]
    requests = [StepRequest(stream, frame(0)) for stream in streams]
    found = engine.step([*requests, StepRequest(999, frame(0))])
    assert [answer.batch_frames for answer in found[:3]] == [3, 3, 3]
