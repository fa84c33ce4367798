from dataclasses import replace

import numpy as np
import pytest
import torch

from sam2_rt.engine import (
    Applied,
    Engine,
    EngineConfig,
    EngineLost,
    EventKind,
    PresenceLimits,
    Refused,
    StepRequest,
    StepResult,
    TrackerConfig,
    TrackState,
    UnknownStream,
)
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt

CLICK = Prompt(1, points=(Point(0.5, 0.5),))


@pytest.fixture(scope="module")
def engine() -> Engine:
    presence = PresenceLimits(visible_above=-50.0, hidden_below=-60.0)
    config = EngineConfig(
        image_size=64, device="cpu", tracker=TrackerConfig(max_tracks=2, presence=presence)
    )
    return Engine.load(config)


def frame(pts: int = 0, width: int = 64, height: int = 36) -> Frame:
    luma = np.random.default_rng(pts).integers(16, 235, (height, width), dtype=np.uint8)
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return Frame(pts, (luma, chroma, chroma))


def step(engine: Engine, *requests: StepRequest) -> list[StepResult]:
    results = engine.step(requests)
    assert all(isinstance(result, StepResult) for result in results)
    return results


def test_it_says_what_it_is(engine: Engine):
    info = engine.info
    assert (info.model, info.image_size, info.device, info.dtype) == ("nano", 64, "cpu", "float32")
    assert info.max_tracks == 2


def test_a_step_says_what_of_it_was_the_encoder_s(engine: Engine):
    streams = [engine.open(), engine.open()]
    first, second = step(
        engine, StepRequest(streams[0], frame(), (CLICK,)), StepRequest(streams[1], frame())
    )
    assert first.encode_s == second.encode_s > 0
    assert (first.encoder_calls, second.encoder_calls) == (1, 0)


def test_frames_of_which_nobody_asks_anything_are_counted_and_not_encoded(engine: Engine):
    stream = engine.open()
    results = [step(engine, StepRequest(stream, frame(pts)))[0] for pts in range(3)]
    assert [(r.index, r.encoder_calls, r.encode_s) for r in results] == [
        (0, 0, 0.0), (1, 0, 0.0), (2, 0, 0.0),
    ]  # fmt: skip
    [late] = step(engine, StepRequest(stream, frame(3), (replace(CLICK, pts=1),)))
    assert late.prompts == (Applied(1, 1, is_exact=True),)
    assert [mask.track_id for mask in late.masks] == [1]
    assert late.encoder_calls == 2, "the frame that the user saw and the newest one, as one batch"
    assert late.encode_s > 0


def test_the_logits_are_those_that_the_mask_was_made_of(engine: Engine):
    stream = engine.open()
    mask = step(engine, StepRequest(stream, frame(900, 16, 16), (CLICK,)))[0].masks[0]
    assert (mask.logits.shape, mask.logits.dtype) == ((16, 16), np.float32)
    assert np.array_equal(mask.logits > 0, mask.mask), "a frame of the size of the model's grid"


def test_a_hidden_track_has_no_logit_above_the_suppressed(engine: Engine):
    config = TrackerConfig(presence=PresenceLimits(visible_above=70.0, hidden_below=60.0))
    strict = Engine(engine.calls, engine.info, config)
    stream = strict.open()
    mask = step(strict, StepRequest(stream, frame(900), (CLICK,)))[0].masks[0]
    assert mask.state is TrackState.OCCLUDED
    assert not mask.mask.any()
    assert (mask.logits == -10).all()


def test_a_step_answers_in_plain_values_at_the_size_of_the_frame(engine: Engine):
    stream = engine.open()
    result = step(engine, StepRequest(stream, frame(900), (CLICK,)))[0]
    assert (result.index, result.pts, result.encoder_calls) == (0, 900, 1)
    assert [(m.track_id, m.state) for m in result.masks] == [(1, TrackState.VISIBLE)]
    assert result.masks[0].mask.shape == (36, 64)
    assert result.masks[0].mask.dtype == bool
    assert result.prompts == (Applied(1, 0, is_exact=True),)
    assert [e.kind for e in result.events] == [EventKind.ADDED]


def test_streams_do_not_know_of_each_other(engine: Engine):
    a, b = engine.open(), engine.open()
    first = step(engine, StepRequest(a, frame(), (CLICK,)), StepRequest(b, frame()))
    assert [len(result.masks) for result in first] == [1, 0]
    again = step(engine, StepRequest(b, frame(1)), StepRequest(a, frame(1)))
    assert [len(result.masks) for result in again] == [0, 1]
    assert [result.index for result in again] == [1, 1]


def test_removals_come_before_prompts(engine: Engine):
    stream = engine.open()
    step(engine, StepRequest(stream, frame(), (CLICK, Prompt(2, box=(0, 0, 0.5, 0.5)))))
    third = Prompt(3, points=(Point(0.1, 0.1),))
    result = step(engine, StepRequest(stream, frame(1), (third,), removals=(2, 9)))[0]
    assert [type(answer) for answer in result.removals] == [Applied, Refused]
    assert [mask.track_id for mask in result.masks] == [1, 3]


def test_a_frame_may_change_its_size(engine: Engine):
    stream = engine.open()
    step(engine, StepRequest(stream, frame(), (CLICK,)))
    result = step(engine, StepRequest(stream, frame(1, 50, 81)))[0]
    assert result.masks[0].mask.shape == (81, 50)


def test_a_fault_of_one_stream_is_its_own_answer(engine: Engine):
    good = engine.open()
    gone = engine.open()
    engine.close(gone)
    engine.close(gone)
    failed, result = engine.step([StepRequest(gone, frame()), StepRequest(good, frame())])
    assert isinstance(failed, KeyError)
    assert isinstance(result, StepResult)


def test_a_hidden_object_has_an_empty_mask():
    presence = PresenceLimits(visible_above=60.0, hidden_below=50.0)
    engine = Engine.load(EngineConfig(image_size=64, tracker=TrackerConfig(presence=presence)))
    result = step(engine, StepRequest(engine.open(), frame(), (CLICK,)))[0]
    assert result.masks[0].state is TrackState.OCCLUDED
    assert not result.masks[0].mask.any()


def test_bfloat16_is_to_be_had_on_a_cpu_too():
    engine = Engine.load(EngineConfig(image_size=64, device="cpu", dtype="bfloat16"))
    assert engine.info.dtype == "bfloat16"
    result = step(engine, StepRequest(engine.open(), frame(), (CLICK,)))[0]
    assert len(result.masks) == 1


def test_a_device_that_is_not_there_is_named():
    missing = f"cuda:{torch.cuda.device_count()}"
    for name in [missing, "abacus"]:
        with pytest.raises(ValueError, match=name):
            Engine.load(EngineConfig(image_size=64, device=name))


def test_a_full_device_refuses_a_track_and_harms_none(engine: Engine):
    small = Engine(engine.calls, engine.info, TrackerConfig(max_tracks=2), pool_tracks=3)
    first, second = small.open(), small.open()
    clicks = (CLICK, Prompt(2, points=(Point(0.2, 0.2),)))
    answers = step(small, StepRequest(first, frame(), clicks), StepRequest(second, frame(), clicks))
    [applied, refused] = answers[1].prompts
    assert isinstance(applied, Applied)
    assert isinstance(refused, Refused)
    assert refused.code == "too_many_tracks"
    assert "device" in refused.message
    again = step(small, StepRequest(first, frame(1)), StepRequest(second, frame(1)))
    assert [len(one.masks) for one in again] == [2, 1]


def test_a_stream_that_closes_gives_its_room_back(engine: Engine):
    small = Engine(engine.calls, engine.info, TrackerConfig(max_tracks=2), pool_tracks=1)
    for _ in range(3):
        stream = small.open()
        [result] = step(small, StepRequest(stream, frame(), (CLICK,)))
        assert isinstance(result.prompts[0], Applied)
        assert small.pool.num_free == 0
        small.close(stream)
        assert small.pool.num_free == 1


def test_a_stream_that_closes_between_two_ticks_is_not_missed_by_the_others(engine: Engine):
    streams = [engine.open() for _ in range(3)]
    step(engine, *(StepRequest(stream, frame(), (CLICK,)) for stream in streams))
    engine.close(streams[1])
    answers = engine.step([StepRequest(stream, frame(1)) for stream in streams])
    assert [type(answer) for answer in answers] == [StepResult, UnknownStream, StepResult]


def test_after_a_fault_the_device_is_asked_whether_it_lives(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
):
    def dead(device: torch.device) -> None:
        raise EngineLost(f"{device} does not answer any more")

    monkeypatch.setattr("sam2_rt.engine.check_alive", dead)
    stream = engine.open()
    step(engine, StepRequest(stream, frame()))  # nothing is asked without a fault
    with pytest.raises(EngineLost):
        engine.step([StepRequest(stream_id=999, frame=frame())])
    engine.close(stream)
