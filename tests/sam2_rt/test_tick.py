import warnings

import numpy as np
import pytest
import torch

from sam2_rt.model.sam2 import SAM2
from sam2_rt.tick import NO_HOST_MEMORY, TickLost, Turn, tick, together
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Point, Prompt, Refused
from sam2_rt.tracking.track_state import EventKind, TrackState
from sam2_rt.tracking.tracker import Tracker, TrackerConfig
from small_model import small_model

CPU = torch.device("cpu")
LENGTHS = (9, 6, 4)
"""Frames of three streams; the second joins at the fourth frame of the first."""
TRACKS = (2, 1, 3)


@pytest.fixture
def calls(model: SAM2) -> Calls:
    return Calls(model)


@pytest.fixture(scope="module")
def model() -> SAM2:
    model = small_model().eval()
    model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias").data.add_(20)
    return model


def picture(stream: int, index: int) -> Frame:
    """Each stream has a size of its own."""
    rng = np.random.default_rng((stream, index))
    return Frame(index, (rng.integers(0, 256, (40 + 8 * stream, 64, 3), dtype=np.uint8),))


def clicks(stream: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(i, points=(Point(i / 4, 0.4),)) for i in range(1, TRACKS[stream] + 1))


def turn(tracker: Tracker, stream: int, index: int) -> Turn:
    return Turn(tracker, picture(stream, index), clicks(stream) if index == 0 else ())


def alone(model: SAM2) -> list[list[torch.Tensor]]:
    """Mask logits [K, 4g, 4g] of each frame of each stream, stepped by itself."""
    found = []
    for stream, length in enumerate(LENGTHS):
        tracker = Tracker(model)
        steps = [
            tracker.step(picture(stream, i), clicks(stream) if i == 0 else ())
            for i in range(length)
        ]
        found.append([torch.stack([p.mask_logits for p in step]) for step in steps])
    return found


def trackers(model: SAM2) -> list[Tracker]:
    """Of one pool."""
    config = TrackerConfig()
    pool = MemoryPool(model.config, 8, config.max_conditioning, CPU)
    return [Tracker(model, config, pool) for _ in LENGTHS]


def broken(model: SAM2, monkeypatch: pytest.MonkeyPatch, poison: float) -> None:
    """Frames of one colour give no numbers, or no memory to work in."""
    encode = SAM2.encode_image

    def poisoned(self: SAM2, pixels: torch.Tensor):
        is_flat = pixels.flatten(2).std(dim=2).amax(dim=1) < 1e-3
        if is_flat.any() and np.isinf(poison):
            raise torch.OutOfMemoryError("no room for this")
        embedding = encode(self, pixels)
        return embedding._replace(
            feature=torch.where(is_flat.view(-1, 1, 1, 1), poison, embedding.feature)
        )

    monkeypatch.setattr(SAM2, "encode_image", poisoned)


FLAT = Frame(99, (np.full((40, 64, 3), 128, np.uint8),))


def test_streams_of_all_ages_sizes_and_track_counts_get_what_each_gets_alone(model, calls):
    """Tolerance: the order of sums in batched products differs."""
    expected = alone(model)
    streams, compared = trackers(model), 0
    begins = (0, 3, 1)
    for now in range(12):
        live = [
            s for s, first in enumerate(begins) if first <= now < first + LENGTHS[s]
        ]  # none waits for another
        turns = [turn(streams[s], s, now - begins[s]) for s in live]
        for stream, found in zip(live, tick(calls, turns), strict=True):
            logits = torch.stack([p.mask_logits for p in found])
            wanted = expected[stream][now - begins[stream]]
            torch.testing.assert_close(logits, wanted, atol=2e-3, rtol=1e-3)
            compared += 1
    assert compared == sum(LENGTHS)
    assert max(float(step.max()) for stream in expected for step in stream) > -100


def test_streams_of_different_rates_get_what_each_gets_alone(model, calls):
    """The second has a frame for each second tick, the third for each third, with gaps."""
    expected = alone(model)
    streams, done = trackers(model), [0] * len(LENGTHS)
    rates = (1, 2, 3)
    sizes = []
    for now in range(12):
        live = [s for s in range(3) if now % rates[s] == 0 and done[s] < LENGTHS[s]]
        sizes.append(len(live))
        turns = [turn(streams[s], s, done[s]) for s in live]
        for stream, found in zip(live, tick(calls, turns), strict=True):
            logits = torch.stack([p.mask_logits for p in found])
            wanted = expected[stream][done[stream]]
            torch.testing.assert_close(logits, wanted, atol=2e-3, rtol=1e-3)
            done[stream] += 1
    assert done == list(LENGTHS)
    assert sizes == [3, 1, 2, 2, 2, 1, 3, 1, 2, 1, 1, 0]


def test_frames_of_all_streams_are_encoded_by_one_call_and_tracks_are_sought_by_one(
    model, calls, monkeypatch
):
    batches = []
    encode, attend = SAM2.encode_image, SAM2.condition_on_memory

    def counted(self, pixels):
        batches.append(("frames", len(pixels)))
        return encode(self, pixels)

    def attended(self, feature, memories):
        batches.append(("tracks", len(memories.features)))
        return attend(self, feature, memories)

    streams = trackers(model)
    tick(calls, [turn(tracker, s, 0) for s, tracker in enumerate(streams)])
    monkeypatch.setattr(SAM2, "encode_image", counted)
    monkeypatch.setattr(SAM2, "condition_on_memory", attended)
    tick(calls, [turn(tracker, s, 1) for s, tracker in enumerate(streams)])
    assert batches == [("frames", 3), ("tracks", 6)]


def test_a_stream_without_tracks_has_no_predictions_and_the_others_theirs(model, calls):
    first, second, _ = trackers(model)
    tick(calls, [turn(first, 0, 0), Turn(second, picture(1, 0))])
    found = tick(calls, [turn(first, 0, 1), Turn(second, picture(1, 1))])
    assert [len(one) for one in found] == [2, 0]


def test_a_frame_that_gives_no_numbers_is_lost_and_nothing_else(model, calls, monkeypatch):
    streams, expected = trackers(model), alone(model)
    for index in range(3):
        tick(calls, [turn(tracker, s, index) for s, tracker in enumerate(streams)])
    broken(model, monkeypatch, float("nan"))
    lost, *others = tick(
        Calls(model), [Turn(streams[0], FLAT), *(turn(streams[s], s, 3) for s in (1, 2))]
    )
    assert isinstance(lost, TickLost)
    assert "no number" in str(lost)
    for stream, found in zip((1, 2), others, strict=True):
        logits = torch.stack([p.mask_logits for p in found])
        torch.testing.assert_close(logits, expected[stream][3], atol=2e-3, rtol=1e-3)
    again = tick(calls, [turn(streams[0], 0, 4)])[0]
    assert all(p.mask_logits.isfinite().all() for p in again)


def test_a_click_on_a_frame_without_numbers_begins_no_track_and_takes_no_room(
    model, calls, monkeypatch
):
    [tracker, *_] = trackers(model)
    broken(model, monkeypatch, float("nan"))
    [lost] = tick(calls, [Turn(tracker, FLAT, clicks(0))])
    assert isinstance(lost, TickLost)
    assert not tracker.tracks
    assert tracker._pool.num_free == 8
    [found] = tick(calls, [turn(tracker, 0, 0)])
    assert len(found) == 2


def test_without_memory_for_a_batch_only_the_guilty_lose_their_frame(
    model, calls, monkeypatch, caplog
):
    streams = trackers(model)
    tick(calls, [turn(tracker, s, 0) for s, tracker in enumerate(streams)])
    broken(model, monkeypatch, float("inf"))
    answers = tick(
        Calls(model), [turn(streams[0], 0, 1), Turn(streams[1], FLAT), turn(streams[2], 2, 1)]
    )
    assert [type(answer) for answer in answers] == [list, TickLost, list]
    assert "no room for this" in str(answers[1])
    assert "a batch of 3 failed" in caplog.text
    assert streams[1].encoder_calls == 1
    assert len(tick(calls, [turn(streams[1], 1, 2)])[0]) == 1


def test_a_fault_of_a_stream_s_own_is_its_answer_as_it_is(model, calls, monkeypatch):
    first, second, _ = trackers(model)
    monkeypatch.setattr(first, "apply", lambda prompts: prompts[7])
    failed, found = tick(calls, [turn(first, 0, 0), turn(second, 1, 0)])
    assert isinstance(failed, IndexError)
    assert len(found) == 1


def test_no_turn_is_no_work():
    assert together(lambda items: [1 / 0 for _ in items], []) == []


def test_what_turns_to_no_number_on_the_way_to_the_masks_is_lost_too(model, calls, monkeypatch):
    """An absent object's mask and pointer are constants, which would hide it."""
    [tracker, *_] = trackers(model)
    for index in range(3):
        tick(calls, [turn(tracker, 0, index)])
    attend = SAM2.condition_on_memory
    with monkeypatch.context() as patch:
        patch.setattr(SAM2, "condition_on_memory", lambda *given: attend(*given) * float("nan"))
        [lost] = tick(calls, [turn(tracker, 0, 3)])
    assert isinstance(lost, TickLost)
    assert not [event for event in tracker.take_events() if event.kind is EventKind.OCCLUDED]
    [found] = tick(calls, [turn(tracker, 0, 4)])
    assert all(p.state is TrackState.VISIBLE for p in found)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RuntimeError(NO_HOST_MEMORY)])
def test_without_memory_to_remember_in_nothing_is_taken_for_remembered(
    model, calls, monkeypatch, error
):
    [tracker, *_] = trackers(model)
    for index in range(9):
        tick(calls, [turn(tracker, 0, index)])

    def full(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(MemoryPool, "write", full)
        [lost] = tick(calls, [turn(tracker, 0, 9)])
    assert isinstance(lost, TickLost)
    read = tracker.tracks[1].bank.choose(10)
    assert [a.frame for a in read.memories] == [0, 4, 5, 6, 7, 8]


def test_without_memory_to_look_in_the_guilty_stream_goes_on(model, calls, monkeypatch):
    first, second, _ = trackers(model)
    tick(calls, [turn(first, 0, 0), turn(second, 1, 0)])
    attend = SAM2.condition_on_memory

    def choosy(self, feature, memories):
        if len(memories.features) != 1:  # the second stream has one track
            raise torch.OutOfMemoryError("full")
        return attend(self, feature, memories)

    with monkeypatch.context() as patch:
        patch.setattr(SAM2, "condition_on_memory", choosy)
        lost, found = tick(calls, [turn(first, 0, 1), turn(second, 1, 1)])
    assert isinstance(lost, TickLost)
    assert len(found) == 1
    assert len(tick(calls, [turn(first, 0, 2)])[0]) == 2


def test_a_late_click_on_a_frame_without_numbers_is_refused_and_costs_no_other_frame(
    model, calls, monkeypatch
):
    [tracker, *_] = trackers(model)
    broken(model, monkeypatch, float("nan"))
    tick(calls, [Turn(tracker, FLAT)])
    tick(calls, [turn(tracker, 0, 0)])
    late = Prompt(1, pts=FLAT.pts, points=(Point(0.5, 0.5),))
    [found] = tick(calls, [Turn(tracker, picture(0, 1), (late,))])
    assert len(found) == 2
    assert isinstance(tracker.answers[0], Refused)
    assert "no number" in tracker.answers[0].message


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_step_of_many_streams_waits_for_the_device_in_one_place():
    cuda = torch.device("cuda")
    model = small_model().eval().to(cuda)
    config = TrackerConfig()
    pool = MemoryPool(model.config, 8, config.max_conditioning, cuda)
    streams = [Tracker(model, config, pool) for _ in LENGTHS]
    for index in range(3):  # the first frames make what is made once
        tick(Calls(model), [turn(tracker, s, index) for s, tracker in enumerate(streams)])
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        tick(Calls(model), [turn(tracker, s, 3) for s, tracker in enumerate(streams)])
        torch.cuda.set_sync_debug_mode("default")
    assert len(waits) == 1
