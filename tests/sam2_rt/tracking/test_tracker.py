import gc
from collections.abc import Iterator

import numpy as np
import psutil
import pytest
import torch

from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Applied, Point, Prompt, Refused
from sam2_rt.tracking.track import Prediction
from sam2_rt.tracking.track_state import EventKind, PresenceLimits, TrackState
from sam2_rt.tracking.track_step import track_step
from sam2_rt.tracking.tracker import Tracker, TrackerConfig


def click(track_id: int, x: float = 0.5, y: float = 0.5, **more: object) -> Prompt:
    return Prompt(track_id, points=(Point(x, y),), **more)


def run(tracker: Tracker, frames: list[Frame], *prompts: Prompt) -> list[list[Prediction]]:
    """Steps through frames; the prompts come with the first."""
    return [tracker.step(f, prompts if i == 0 else ()) for i, f in enumerate(frames)]


def kinds(tracker: Tracker) -> list[tuple[EventKind, int]]:
    return [(event.kind, event.track_id) for event in tracker.take_events()]


class Hidden:
    """While it holds, the occlusion head sees nothing."""

    def __init__(self, model: SAM2) -> None:
        self._bias = model.sam_mask_decoder.pred_obj_score_head.layers[2].bias

    def __enter__(self) -> None:
        self._bias.data -= 100

    def __exit__(self, *_: object) -> None:
        self._bias.data += 100


def test_each_frame_is_encoded_once_however_many_tracks_there_are(model, frames):
    tracker = Tracker(model)
    run(tracker, frames[:10], *(click(i, i / 10) for i in range(1, 6)))
    assert tracker.encoder_calls == 10
    assert sorted(tracker.tracks) == [1, 2, 3, 4, 5]


def test_predictions_come_in_order_of_track_id(model, frames):
    tracker = Tracker(model)
    for predictions in run(tracker, frames[:3], click(7), click(2), click(5)):
        assert [p.track_id for p in predictions] == [2, 5, 7]


def test_a_stream_without_tracks_has_no_predictions(model, frames):
    assert run(Tracker(model), frames[:2]) == [[], []]


def test_adding_a_track_leaves_the_others_masks_as_they_were(model, frames):
    alone = run(Tracker(model), frames[:12], click(1, 0.3))
    tracker = Tracker(model)
    run(tracker, frames[:4], click(1, 0.3))
    joined = [
        tracker.step(f, [click(2, 0.8)] if i == 0 else []) for i, f in enumerate(frames[4:12])
    ]
    for before, after in zip(alone[4:], joined, strict=True):
        # Bits may differ where a batch of two is summed in another order; masks may not.
        difference = (before[0].mask_logits - after[0].mask_logits).abs().max()
        assert difference < 2e-2
        assert ((before[0].mask_logits > 0) != (after[0].mask_logits > 0)).float().mean() < 0.005


def test_removing_a_track_leaves_the_others_masks_as_they_were(model, frames):
    alone = run(Tracker(model), frames[:10], click(1, 0.3))
    tracker = Tracker(model)
    run(tracker, frames[:4], click(1, 0.3), click(2, 0.8))
    assert tracker.remove(2) == Applied(2, 3, is_exact=True)
    after = run(tracker, frames[4:10])
    assert [len(predictions) for predictions in after] == [1] * 6
    assert (alone[-1][0].mask_logits - after[-1][0].mask_logits).abs().max() < 2e-2


def test_the_bank_of_a_track_is_independent_of_when_others_began(model, frames):
    tracker = Tracker(model)
    run(tracker, frames[:9], click(1, 0.3))
    tracker.step(frames[9], [click(2, 0.8)])
    assert tracker.tracks[1].bank.conditioning == (0,)
    assert tracker.tracks[2].bank.conditioning == (9,)


def test_a_number_that_is_used_again_begins_another_track(model, frames):
    """On a frame that is still kept, with nothing of what was said of the track before it."""
    tracker, fresh = Tracker(model), Tracker(model)
    run(tracker, frames[:3], click(1, 0.3))
    tracker.remove(1)
    run(fresh, frames[:3])
    for other in (tracker, fresh):
        other.step(frames[3], [click(1, 0.8, pts=frames[2].pts)])
    kept = [t._kept.at(frames[2].pts) for t in (tracker, fresh)]
    assert kept[0].said == kept[1].said
    masks = [frame.answered[1].decoded.mask_logits for frame in kept]
    # Nobody asked anything of the fresh one's frames before: it encodes two of them as a batch.
    torch.testing.assert_close(*masks, atol=1e-4, rtol=1e-4)


def test_removing_what_is_not_there_is_refused(model, frames):
    tracker = Tracker(model)
    answer = tracker.remove(3)
    assert isinstance(answer, Refused)
    assert answer.code == "unknown_track"


def test_a_full_stream_refuses_a_track_and_harms_none(model, frames):
    tracker = Tracker(model, TrackerConfig(max_tracks=2))
    predictions = tracker.step(frames[0], [click(1), click(2, 0.2), click(3, 0.9)])
    assert [p.track_id for p in predictions] == [1, 2]
    assert [type(a) for a in tracker.answers] == [Applied, Applied, Refused]
    assert tracker.answers[2].code == "too_many_tracks"
    tracker.remove(1)
    tracker.step(frames[1], [click(3, 0.9)])
    assert sorted(tracker.tracks) == [2, 3]


def test_a_correction_sticks(model, frames):
    """The corrected frame conditions all that follow; the reference's default forgets it."""
    corrected = Tracker(model)
    run(corrected, frames[:6], click(1, 0.3))
    corrected.step(frames[6], [click(1, 0.9, 0.1)])
    assert corrected.tracks[1].bank.conditioning == (0, 6)
    run(corrected, frames[7:30])
    ages = [a for a in corrected.tracks[1].bank.choose(30).memories if a.age == 0]
    assert [a.frame for a in ages] == [0, 6]
    forgetful = Tracker(model, TrackerConfig(corrections_are_conditioning=False))
    run(forgetful, frames[:7], click(1, 0.3))
    with torch.inference_mode():
        forgetful.apply([click(1, 0.9, 0.1)])
    assert forgetful.tracks[1].bank.conditioning == (0,)


@pytest.mark.parametrize("pts", [None, 3000 * 6])
def test_a_correction_in_the_newest_frame_starts_from_where_the_track_was_found(
    model, frames, monkeypatch, pts
):
    """It reads the track's memory and the mask so far, as a correction of an older frame does."""
    tracker, asked = Tracker(model), []
    run(tracker, frames[:6], click(1, 0.3))

    def spy(model, embedding, memories, prompt):
        asked.append((memories, prompt))
        return track_step(model, embedding, memories, prompt)

    monkeypatch.setattr("sam2_rt.tracking.calls.track_step", spy)
    monkeypatch.setattr("sam2_rt.tracking.question.track_step", spy)
    shot = Prompt(1, pts, points=(Point(0.9, 0.1, is_positive=False),))
    predictions = tracker.step(frames[6], [shot])
    (found_by, _), (answered_by, prompt) = asked
    assert len(found_by.features[0]) == len(answered_by.features[0]) == 6
    assert prompt.mask_logits is not None
    assert [p.index for p in predictions] == [6]
    assert tracker.encoder_calls == 7
    assert tracker.tracks[1].bank.conditioning == (0, 6)


def test_a_track_cannot_begin_with_what_it_is_not(model, frames):
    tracker = Tracker(model)
    nothing = Prompt(1, points=(Point(0.5, 0.5, is_positive=False),))
    assert tracker.step(frames[0], [nothing]) == []
    assert tracker.answers[0].code == "bad_prompt"
    assert tracker.tracks == {}


def test_a_first_prompt_that_fails_leaves_no_track(model, frames, monkeypatch):
    tracker = Tracker(model)
    tracker.step(frames[0])
    monkeypatch.setattr(tracker, "_question", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tracker.step(frames[1], [click(1)])
    assert tracker.tracks == {}
    assert kinds(tracker) == []


@pytest.mark.parametrize("name", ["max_tracks", "max_conditioning", "kept_frames"])
def test_a_bound_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=name):
        TrackerConfig(**{name: 0})


def test_the_first_prompted_frame_outlives_all_corrections(model, frames):
    tracker = Tracker(model, TrackerConfig(max_conditioning=3))
    for i, frame in enumerate(frames[:8]):
        tracker.step(frame, [click(1, 0.1 * (i + 1))])
    assert set(tracker.tracks[1].bank.conditioning) == {0, 6, 7}


def test_a_prompt_lands_on_the_frame_its_user_saw(model, frames):
    tracker = Tracker(model)
    run(tracker, frames[:5], click(1, 0.3))
    tracker.step(frames[5], [click(1, 0.7, pts=frames[3].pts)])
    assert tracker.answers == [Applied(1, 3, is_exact=True)]
    assert tracker.tracks[1].bank.conditioning == (0, 3)


def test_a_prompt_for_a_frame_that_is_gone_takes_the_newest_and_says_so(model, frames):
    tracker = Tracker(model, TrackerConfig(kept_frames=4))
    run(tracker, frames[:10], click(1, 0.3))
    predictions = tracker.step(frames[10], [click(1, 0.7, pts=frames[2].pts)])
    assert tracker.answers == [Applied(1, 10, is_exact=False)]
    assert [p.index for p in predictions] == [10]


def test_a_track_that_begins_late_begins_in_the_frame_that_was_seen(model, frames):
    """And is found in the newest frame of the same step."""
    tracker = Tracker(model)
    run(tracker, frames[:5])
    predictions = tracker.step(frames[5], [click(1, 0.4, pts=frames[2].pts)])
    assert [(p.track_id, p.index) for p in predictions] == [(1, 5)]
    assert tracker.tracks[1].bank.conditioning == (2,)
    assert kinds(tracker)[0] == (EventKind.ADDED, 1)


def test_clicks_on_one_frame_add_up_with_the_mask_so_far(model, frames):
    one, two = click(1, 0.3), Prompt(1, points=(Point(0.8, 0.8, is_positive=False),))
    together = Tracker(model)
    together.step(frames[0], [one])
    with torch.inference_mode():
        answered = together.apply([two])[1]
        kept = together._kept.newest
        assert kept.said[1].points == (*one.points, *two.points)
        fresh = Tracker(model)
        fresh.step(frames[0], [one])
        other = fresh.apply([Prompt(1, points=two.points, clear=True)])[1]
    assert not torch.allclose(answered.decoded.mask_logits, other.decoded.mask_logits)


def test_a_mask_prompt_is_the_mask_of_its_frame(model, frames):
    mask = np.zeros((48, 64), bool)
    mask[12:36, 16:48] = True
    prediction = Tracker(model).step(frames[0], [Prompt(1, mask=mask)])[0]
    found = (prediction.mask_logits > 0).float().mean().item()
    assert abs(found - mask.mean()) < 0.02
    assert (prediction.iou, prediction.object_score) == (1, 10)


def test_an_object_is_occluded_reacquired_lost_and_dropped(model, frames):
    limits = PresenceLimits(-20.0, -30.0, lost_after_frames=3, drop_after_frames=5)
    tracker = Tracker(model, TrackerConfig(presence=limits))
    run(tracker, frames[:2], click(1))
    assert kinds(tracker) == [(EventKind.ADDED, 1)]
    with Hidden(model):
        hidden = run(tracker, frames[2:4])
    assert [p[0].state for p in hidden] == [TrackState.OCCLUDED] * 2
    assert all((p[0].mask_logits <= 0).all() for p in hidden)
    back = run(tracker, frames[4:5])
    assert back[0][0].state is TrackState.VISIBLE
    assert kinds(tracker) == [(EventKind.OCCLUDED, 1), (EventKind.REACQUIRED, 1)]
    with Hidden(model):
        run(tracker, frames[5:11])
    assert [kind for kind, _ in kinds(tracker)] == [
        EventKind.OCCLUDED,
        EventKind.LOST,
        EventKind.DROPPED,
    ]
    assert tracker.tracks == {}
    assert run(tracker, frames[11:12]) == [[]]


def test_a_prompt_brings_a_lost_track_back_with_its_id(model, frames):
    limits = PresenceLimits(-20.0, -30.0, lost_after_frames=2, drop_after_frames=100)
    tracker = Tracker(model, TrackerConfig(presence=limits))
    run(tracker, frames[:1], click(4))
    with Hidden(model):
        assert run(tracker, frames[1:6])[-1][0].state is TrackState.LOST
    tracker.take_events()
    assert tracker.step(frames[6], [click(4)])[0].state is TrackState.VISIBLE
    assert kinds(tracker) == [(EventKind.REACQUIRED, 4)]


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """Work this small is slower when it is shared out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.timeout(420)
@pytest.mark.usefixtures("_one_thread")
def test_ten_thousand_frames_leave_memory_flat(model, frames):
    """Tensor bytes to the byte; the process within what an allocator moves about."""
    tracker = Tracker(model, TrackerConfig(kept_frames=4))
    tracker.step(frames[0], [click(1, 0.3)])
    process, sizes, resident = psutil.Process(), [], []
    for i in range(1, 10_001):
        corrections = [click(1, (i % 97) / 97)] if i % 50 == 0 else []
        tracker.step(Frame(i * 3000, frames[i % 40].planes), corrections)
        if i % 1000 == 10:  # no correction among the kept frames
            gc.collect()
            sizes.append(tensor_bytes(tracker))
            resident.append(process.memory_info().rss)
    assert len(set(sizes)) == 1
    assert max(resident[2:]) - resident[1] < 30 * 2**20
    assert tracker.encoder_calls == 10_001


def tensor_bytes(tracker: Tracker) -> int:
    """All that the stream holds: banks, kept embeddings and masks."""
    pool = tracker._pool
    banks = pool.num_bytes / pool.num_tracks * len(tracker.tracks)
    kept = 0
    for frame in tracker._kept._ring:
        embedding = frame.embedding
        masks = (*frame.found.values(), *(a.decoded.mask_logits for a in frame.answered.values()))
        tensors = [embedding.feature, *embedding.high_resolution, *masks]
        kept += sum(t.nbytes for t in tensors)
    return banks + kept


def test_a_click_that_found_no_answer_was_not_said(model, frames, monkeypatch):
    tracker = Tracker(model)
    tracker.step(frames[0])
    with monkeypatch.context() as patch:
        patch.setattr("sam2_rt.tracking.question.track_step", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError), torch.inference_mode():
            tracker.apply([click(1, 0.3)])
    assert not tracker._kept.newest.said
    with torch.inference_mode():
        again = tracker.apply([click(1, 0.3)])[1]
    once = Tracker(model).step(frames[0], [click(1, 0.3)])[0]
    assert torch.equal(again.decoded.mask_logits, once.mask_logits)


def test_a_correction_of_a_frame_in_which_the_track_was_never_sought_goes_by_its_memory(
    model, frames
):
    """As when a first click comes late and the next one is of a frame in between."""
    tracker = Tracker(model)
    for frame in frames[:4]:
        tracker.step(frame)
    first = click(1, 0.3, pts=frames[1].pts)
    shot = Prompt(1, frames[3].pts, points=(Point(0.9, 0.1, is_positive=False),))
    with torch.inference_mode():
        tracker.apply([first, shot])
    kept = tracker._kept.at(frames[3].pts)
    assert kept.is_tracked(1)
    assert tracker.tracks[1].bank.conditioning == (1, 3)


def test_only_tracks_that_can_begin_are_counted_as_beginning(model, frames):
    tracker = Tracker(model, TrackerConfig(max_tracks=3))
    tracker.step(frames[0], [click(1)])
    negative = Prompt(2, points=(Point(0.5, 0.5, is_positive=False),))
    assert tracker.num_beginning([click(1), negative]) == 0
    assert tracker.num_beginning([click(2), click(2), click(3)]) == 2
    assert tracker.num_beginning([click(i) for i in range(2, 9)]) == 2
