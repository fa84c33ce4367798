from dataclasses import replace

import numpy as np
import pytest
import torch

from sam2_rt.engine import Engine, EngineInfo, StepRequest
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tick import NO_HOST_MEMORY, TickLost, Turn, tick, together
from sam2_rt.tracking.batch import encode
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Applied, Point, Prompt, Refused, Undo
from sam2_rt.tracking.track_state import EventKind, TrackState
from sam2_rt.tracking.track_step import track_step
from sam2_rt.tracking.tracker import Tracker, TrackerConfig
from sam2_rt.tracking.transfer import receive, wait
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
    monkeypatch.setattr(first, "talk", lambda prompts: prompts[7])
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


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each call of the image encoder was given."""
    sizes, encode = [], SAM2.encode_image

    def counted(self: SAM2, pixels: torch.Tensor):
        sizes.append(len(pixels))
        return encode(self, pixels)

    monkeypatch.setattr(SAM2, "encode_image", counted)
    return sizes


def test_a_stream_of_which_nobody_asks_anything_is_not_encoded(model, calls, encoded):
    [tracker, *_] = trackers(model)
    called: list[bool] = []
    for index in range(12):
        tick(calls, [turn_unasked(tracker, index)], lambda: called.append(True))
    assert (encoded, called) == ([], [])
    assert (tracker.num_frames, tracker.encoder_calls) == (12, 0)


def turn_unasked(tracker: Tracker, index: int, *prompts: Prompt) -> Turn:
    return Turn(tracker, picture(0, index), prompts)


def test_a_late_click_has_its_frame_and_the_newest_encoded_as_one_batch(model, calls, encoded):
    """And has the answer of a stream whose frames were all encoded."""
    lazy, eager, _ = trackers(model)
    for index in range(5):
        tick(calls, [turn_unasked(lazy, index)])
        newest = eager.begin(picture(0, index))
        eager.take([newest], encode(calls, [picture(0, index)]))
        eager.keep(newest)
    encoded.clear()
    click = Prompt(1, pts=2, points=(Point(0.25, 0.4),))
    [found] = tick(calls, [turn_unasked(lazy, 5, click)])
    assert encoded == [2]
    assert lazy.answers == [Applied(1, 2, is_exact=True)]
    assert lazy.encoder_calls == 2
    [expected] = tick(calls, [turn_unasked(eager, 5, click)])
    torch.testing.assert_close(found[0].mask_logits, expected[0].mask_logits, atol=2e-3, rtol=1e-3)
    tick(calls, [turn_unasked(lazy, 6, replace(click, track_id=2))])
    assert encoded == [2, 1, 1], "a frame is encoded once"


def test_a_frame_that_is_looked_at_again_is_encoded_once(model, calls, encoded):
    """And gives what it gives where it is encoded for each look."""
    frugal, lavish, _ = trackers(model)
    places = [Prompt(1, points=(Point(x, 0.4),)) for x in (0.2, 0.4, 0.6)]
    for number, place in enumerate(places):
        for tracker in (frugal, lavish):
            tracker.remove(1)
        [found] = tick(calls, [Turn(frugal, picture(0, 0), (place,), is_again=number > 0)])
        [expected] = tick(calls, [Turn(lavish, picture(0, 0), (place,))])
        torch.testing.assert_close(found[0].mask_logits, expected[0].mask_logits)
    assert encoded == [1] * (1 + len(places))
    assert (frugal.num_frames, frugal.encoder_calls) == (3, 1)
    tick(calls, [Turn(frugal, picture(0, 1))])
    assert frugal.encoder_calls == 2


def test_a_frame_that_the_step_before_did_not_keep_is_encoded(model, calls, monkeypatch):
    """Nor is one that looks like it taken for it."""
    [tracker, *_] = trackers(model)
    tick(calls, [turn(tracker, 0, 0)])
    with monkeypatch.context() as patch:
        broken(model, patch, float("nan"))
        [lost] = tick(Calls(model), [Turn(tracker, FLAT)])
    assert isinstance(lost, TickLost)
    [found] = tick(calls, [Turn(tracker, FLAT, is_again=True)])
    assert len(found) == 2
    assert tracker.encoder_calls == 3


def test_only_the_streams_that_need_it_are_in_the_encoder_s_batch(model, calls, encoded):
    idle, clicked, followed = trackers(model)
    tick(calls, [turn_unasked(idle, 0), turn(clicked, 1, 9), turn(followed, 2, 0)])
    tick(calls, [turn_unasked(idle, 1), turn(clicked, 1, 0), turn(followed, 2, 1)])
    refused = Prompt(1, points=(Point(0.5, 0.5, is_positive=False),))
    tick(calls, [turn_unasked(idle, 2, refused)])
    assert encoded == [1, 2]
    assert [answer.code for answer in idle.answers] == ["bad_prompt"]


def test_a_frame_that_waits_for_its_click_is_no_view_of_the_decoder_s_memory(model, calls):
    first, second, _ = trackers(model)
    planes = picture(0, 0).planes
    click = Prompt(1, pts=0, points=(Point(0.25, 0.4),))
    for tracker in (first, second):
        tick(calls, [Turn(tracker, Frame(0, planes))])
    answers = []
    for tracker in (first, second):
        tick(calls, [turn_unasked(tracker, 1, click)])
        answers.append(tracker._kept.at(0).answered[1].decoded.mask_logits)
        planes[0].fill(0)  # the decoder goes on, before the second is asked
    assert torch.equal(*answers)


def test_a_frame_that_is_too_old_for_its_click_is_not_encoded(model, calls, encoded):
    [tracker, *_] = trackers(model)
    for index in range(TrackerConfig().kept_frames):
        tick(calls, [turn_unasked(tracker, index)])
    tick(calls, [turn_unasked(tracker, 8, Prompt(1, pts=0, points=(Point(0.25, 0.4),)))])
    assert encoded == [1]
    assert tracker.answers == [Applied(1, 8, is_exact=False)]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tensors the host waited for, each time."""
    counts: list[int] = []

    def counted(tensors):
        if tensors:
            counts.append(len(tensors))
        return receive(tensors)

    monkeypatch.setattr("sam2_rt.tracking.batch.receive", counted)
    return counts


def test_all_prompts_of_a_tick_are_answered_as_one_batch_with_one_wait(
    model, calls, waits, monkeypatch
):
    """Six clicks of three streams; each has what it gets alone."""
    expected = alone(model)
    asked = []
    step = track_step

    def counted(model, embedding, memories, prompt):
        asked.append(len(prompt.points))
        return step(model, embedding, memories, prompt)

    monkeypatch.setattr("sam2_rt.tracking.question.track_step", counted)
    streams = trackers(model)
    waits.clear()
    found = tick(calls, [turn(tracker, s, 0) for s, tracker in enumerate(streams)])
    assert (asked, waits) == ([6], [1])
    for stream, predictions in enumerate(found):
        logits = torch.stack([p.mask_logits for p in predictions])
        torch.testing.assert_close(logits, expected[stream][0], atol=2e-3, rtol=1e-3)


def corrections(stream: int) -> tuple[Prompt, ...]:
    """A click, two clicks, a box, a mask, and one more click on the first track: three kinds of
    rows, as a box is two points."""
    square = np.zeros((40, 64), np.bool_)
    square[10:20, 30:44] = True
    kinds = (
        Prompt(1, points=(Point(0.3, 0.5),)),
        Prompt(2, points=(Point(0.3, 0.5), Point(0.8, 0.2, is_positive=False))),
        Prompt(3, box=(0.2, 0.2, 0.6, 0.7)),
        Prompt(4, mask=square),
        Prompt(1, points=(Point(0.6, 0.4, is_positive=False),)),
    )
    return kinds if stream == 2 else (kinds[0], kinds[-1])


def test_prompts_of_all_kinds_give_what_each_gives_alone(model, calls, waits):
    apart, together_ = trackers(model), trackers(model)
    for index in range(3):
        for streams in (apart, together_):
            for stream, tracker in enumerate(streams):
                tick(calls, [turn(tracker, stream, index)])
    waits.clear()
    turns = [Turn(t, picture(s, 3), corrections(s)) for s, t in enumerate(together_)]
    found = tick(calls, turns)
    # Looked for, answered, answered once more for what was said of the first track again; the rest.
    assert waits == [1, 3, 1, 1]
    for stream, tracker in enumerate(apart):
        newest = tracker.begin(picture(stream, 3))
        tracker.take([newest], encode(calls, [picture(stream, 3)]))
        tracker.keep(newest)
        with torch.inference_mode():
            for prompt in corrections(stream):
                tracker.apply([prompt])
        assert [p.track_id for p in found[stream]] == sorted(tracker.tracks)
        said = {prompt.track_id for prompt in corrections(stream)}
        for prediction in found[stream]:
            if prediction.track_id in said:
                seen = newest.answered[prediction.track_id]
                torch.testing.assert_close(
                    prediction.mask_logits, seen.decoded.mask_logits, atol=5e-3, rtol=2e-3
                )


def test_without_memory_to_answer_in_the_guilty_stream_has_no_track_and_the_others_theirs(
    model, calls, monkeypatch
):
    first, second, _ = trackers(model)

    def choosy(model, embedding, memories, prompt):
        if len(prompt.points) != 1:
            raise torch.OutOfMemoryError("full")
        if prompt.points[0, 0, 0] > 30:  # the second track of the first stream
            raise torch.OutOfMemoryError("full")
        return track_step(model, embedding, memories, prompt)

    monkeypatch.setattr("sam2_rt.tracking.question.track_step", choosy)
    lost, found = tick(calls, [turn(first, 0, 0), turn(second, 1, 0)])
    assert isinstance(lost, TickLost)
    assert (len(first.tracks), len(found)) == (0, 1)
    assert first._pool.num_free == 7


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_step_of_many_streams_waits_for_a_gpu_only_where_it_says_so(monkeypatch):
    """Clicks, late clicks and corrections included: all else that waits is an error."""
    cuda, waits = torch.device("cuda"), []

    def permitted(device: torch.device) -> None:
        torch.cuda.set_sync_debug_mode("default")
        wait(device)
        torch.cuda.set_sync_debug_mode("error")
        waits.append(device)

    monkeypatch.setattr("sam2_rt.tracking.transfer.wait", permitted)
    model = small_model().eval().to(cuda)
    info = EngineInfo("small", 64, "cuda", "float32", is_trained=False, max_tracks=4)
    engine = Engine(Calls(model), info, TrackerConfig(max_tracks=4), pool_tracks=16)
    engine.warm_up()
    streams = [engine.open() for _ in LENGTHS]
    late = Prompt(4, pts=1, points=(Point(0.7, 0.6),))
    said = {0: clicks(1), 2: (late,), 3: corrections(0), 5: (Undo(1),)}
    waits.clear()
    try:
        torch.cuda.set_sync_debug_mode("error")
        for index in range(6):
            requests = [StepRequest(s, picture(0, index), said.get(index, ())) for s in streams]
            for answer in engine.step(requests):
                assert not isinstance(answer, Exception)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    # Answered and drawn; looked for and drawn; answered, looked for and drawn; looked for what is
    # corrected, answered twice, looked for the rest and drawn; looked for and drawn; asked
    # three streams whether the word that is taken back moved the mask, looked for and drawn.
    assert len(waits) == 2 + 2 + 3 + 5 + 2 + 5
