import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sam2_rt.data.ball_clip import BALL_ID, BALLOON_ID, make_clip
from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Applied, Point, Prompt, Refused, Undo
from sam2_rt.tracking.track_state import EventKind
from sam2_rt.tracking.tracker import Tracker, TrackerConfig
from sam2_rt.tracking.words import MAX_WORDS

GOOD = Prompt(1, points=(Point(0.3, 0.5),))
BAD = Prompt(1, points=(Point(0.9, 0.1),))


@pytest.fixture
def tracker(model: SAM2) -> Tracker:
    return Tracker(model)


def follow(
    tracker: Tracker, frames: list[Frame], said: dict[int, tuple[Prompt | Undo, ...]]
) -> list[NDArray[np.float32]]:
    """The mask logits of track 1 in each frame that it is in; `said`: by number of the frame."""
    found = [tracker.step(f, said.get(i, ())) for i, f in enumerate(frames)]
    return [rows[0].mask_logits.numpy() for rows in found if rows]


def remembered(tracker: Tracker) -> tuple[tuple[int, ...], list[torch.Tensor]]:
    """The prompted frames of track 1, and their memories."""
    bank = tracker.tracks[1].bank
    return bank.conditioning, [bank._copy(index).features for index in bank.conditioning]


def test_the_memory_of_a_bad_click_leaves_long_after_its_frame_has(model, frames):
    """Clicks at 0 and 40, the second taken back at 80. What was prompted is as if it had not been
    said at once; masks come back as the recent memories leave that were made in its light.
    """
    many = [Frame(3000 * i, frames[i % 40].planes) for i in range(110)]
    tracker, clean = Tracker(model), Tracker(model)
    undone = follow(tracker, many, {0: (GOOD,), 40: (BAD,), 80: (Undo(1),)})
    stuck = follow(Tracker(model), many, {0: (GOOD,), 40: (BAD,)})
    wanted = follow(clean, many, {0: (GOOD,)})
    (kept, memories), (clean_kept, clean_memories) = remembered(tracker), remembered(clean)
    assert kept == clean_kept == (0,)
    assert torch.equal(memories[0], clean_memories[0])
    assert all((a == b).all() for a, b in zip(undone[:40], wanted[:40], strict=True))
    assert all((a == b).all() for a, b in zip(undone[40:80], stuck[40:80], strict=True))
    assert (undone[80] != wanted[80]).any(), "the recent memories are those of the bad click"
    for one in (tracker, clean):
        one.tracks[1].bank.forget_since(0)
    nexts = [follow(one, [Frame(330_000, frames[0].planes)], {})[0] for one in (tracker, clean)]
    assert (nexts[0] == nexts[1]).all(), "and nothing else is left of it"


def test_a_click_on_a_kept_frame_is_undone_as_if_it_had_not_been_said(tracker, model, frames):
    """Nothing has seen it yet: bank, kept frame and masks are to the bit those without it."""
    other = Tracker(model)
    bad = Prompt(1, pts=frames[8].pts, points=BAD.points)
    undone = follow(tracker, frames[:14], {0: (GOOD,), 10: (bad, Undo(1))})
    wanted = follow(other, frames[:14], {0: (GOOD,)})
    assert all(isinstance(answer, Applied) for answer in tracker.answers)
    assert all((a == b).all() for a, b in zip(undone, wanted, strict=True))
    assert remembered(tracker)[0] == (0,)
    for index in range(6, 14):
        assert tracker._kept.numbered(index).said.keys() == set()


@pytest.mark.parametrize("later", [1, 20])
def test_of_two_clicks_on_one_frame_the_first_still_holds(tracker, model, frames, later):
    """Whether that frame is still kept or not."""
    other = Tracker(model)
    follow(tracker, frames[: 4 + later], {3: (GOOD, BAD), 3 + later: (Undo(1),)})
    follow(other, frames[: 4 + later], {3: (GOOD,)})
    (kept, memories), (wanted_kept, wanted) = remembered(tracker), remembered(other)
    assert kept == wanted_kept == (3,)
    assert torch.equal(memories[0], wanted[0])
    if later == 1:
        assert tracker._kept.numbered(3).said == other._kept.numbered(3).said
        more = Prompt(1, pts=frames[3].pts, points=(Point(0.5, 0.5),))
        for one in (tracker, other):
            one.step(frames[4 + later], [more])
        answers = [t._kept.numbered(3).answered[1].decoded for t in (tracker, other)]
        assert torch.equal(answers[0].mask_logits, answers[1].mask_logits)


def test_in_the_newest_frame_the_words_before_it_answer_again(tracker, model, frames):
    undone = follow(tracker, frames[:6], {3: (GOOD, BAD, Undo(1))})
    wanted = follow(Tracker(model), frames[:6], {3: (GOOD,)})
    assert all((a == b).all() for a, b in zip(undone, wanted, strict=True))


def test_a_track_whose_only_word_is_taken_back_goes(tracker, frames):
    follow(tracker, frames[:10], {0: (GOOD,), 9: (Undo(1),)})
    assert tracker.tracks == {}
    assert tracker.answers == [Applied(1, 9, is_exact=True)]
    events = [(event.kind, event.index) for event in tracker.take_events()]
    assert events == [(EventKind.ADDED, 0), (EventKind.REMOVED, 9)]


def test_what_was_never_said_cannot_be_taken_back(tracker, frames):
    tracker.step(frames[0], [Undo(7)])
    (answer,) = tracker.answers
    assert isinstance(answer, Refused)
    assert answer.code == "unknown_track"


def test_a_memory_that_made_room_for_a_bad_one_comes_back(model, frames):
    """Three prompted frames are remembered: the fourth sent the second away."""
    tracker = Tracker(model, TrackerConfig(max_conditioning=3))
    for index, frame in enumerate(frames[:20]):
        tracker.step(frame, [GOOD] if index in (0, 4, 8) else ())
    before = remembered(tracker)
    tracker.step(frames[20], [BAD])
    assert remembered(tracker)[0] == (0, 8, 20)
    tracker.step(frames[21], [Undo(1)])
    after = remembered(tracker)
    assert after[0] == before[0] == (0, 4, 8)
    assert all(torch.equal(a, b) for a, b in zip(after[1], before[1], strict=True))


def test_only_the_last_words_can_be_taken_back(tracker, frames):
    """The track stays: it rests on more than is remembered."""
    for frame in frames[: MAX_WORDS + 3]:
        tracker.step(frame, [GOOD])
    for frame in frames[MAX_WORDS + 3 : 2 * MAX_WORDS + 3]:
        tracker.step(frame, [Undo(1)])
        assert isinstance(tracker.answers[0], Applied)
    tracker.step(frames[30], [Undo(1)])
    (answer,) = tracker.answers
    assert isinstance(answer, Refused)
    assert answer.code == "nothing_to_undo"
    assert 1 in tracker.tracks


def test_a_number_that_is_used_again_has_nothing_of_the_words_before(tracker, frames):
    follow(tracker, frames[:6], {0: (GOOD,), 3: (GOOD,)})
    tracker.remove(1)
    tracker.step(frames[6], [GOOD])
    tracker.step(frames[7], [Undo(1)])
    assert tracker.tracks == {}


def test_with_corrections_that_fade_the_frame_forgets_what_was_said(model, frames):
    tracker = Tracker(model, TrackerConfig(corrections_are_conditioning=False))
    follow(tracker, frames[:7], {0: (GOOD,), 4: (BAD,)})
    tracker.step(frames[7], [Undo(1)])
    assert isinstance(tracker.answers[0], Applied)
    assert tracker.tracks[1].bank.conditioning == (0,)
    assert tracker._kept.numbered(4).said == {}


def test_after_a_word_that_meant_another_object_the_first_is_followed_again():
    """The bundled model; a balloon, and by mistake the ball that rolls past it."""
    model, clip = zoo.load("nano"), list(make_clip(16, 14))
    at_first = Prompt(1, mask=clip[0].labels == BALLOON_ID)
    mistaken = Prompt(1, mask=clip[3].labels == BALL_ID)
    film = [Frame(3000 * i, (frame.rgb,)) for i, frame in enumerate(clip)]
    undone = follow(Tracker(model), film, {0: (at_first,), 3: (mistaken,), 8: (Undo(1),)})
    wanted = follow(Tracker(model), film, {0: (at_first,)})
    agreement = [iou(a > 0, b > 0) for a, b in zip(undone, wanted, strict=True)]
    assert agreement[7] < 0.5
    assert min(agreement[8:]) > 0.9


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))
