import pytest
import torch

from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.batch import Search
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.listener import _waves
from sam2_rt.tracking.prompt import Applied, Point, Prompt, Undo
from sam2_rt.tracking.question import Question
from sam2_rt.tracking.tracker import Tracker


def click(track_id: int, x: float = 0.5) -> Prompt:
    return Prompt(track_id, points=(Point(x, 0.5),))


def test_prompts_about_different_tracks_go_together_in_the_order_they_were_said():
    said = [click(1), click(2), click(1, 0.2), Undo(2), Undo(1), click(3), click(1)]
    assert list(_waves(said)) == [
        [click(1), click(2)],
        [click(1, 0.2)],
        Undo(2),
        Undo(1),
        [click(3), click(1)],
    ]
    assert list(_waves([])) == []


@pytest.fixture
def tracker(model: SAM2, frames: list[Frame]) -> Tracker:
    """Two tracks, and a newest frame in which nobody has looked for them."""
    tracker = Tracker(model)
    tracker.step(frames[0], [click(1, 0.3), click(2, 0.7)])
    newest = tracker.begin(frames[1])
    with torch.inference_mode():
        tracker._encode([newest])
    tracker.keep(newest)
    return tracker


def test_it_asks_where_tracks_are_before_it_asks_what_they_should_be(tracker: Tracker):
    talk = tracker.talk([click(1), click(3), click(2)])
    looked = next(talk)
    assert [type(one) for one in looked] == [Search, Search]
    assert [one.tracks[0].track_id for one in looked] == [1, 2]
    talk.close()


def test_a_track_that_begins_is_only_asked_about(tracker: Tracker):
    talk = tracker.talk([click(3), click(4)])
    [third, fourth] = next(talk)
    assert isinstance(third, Question)
    assert third.choice is fourth.choice is None
    talk.close()


def test_who_is_left_without_a_reply_leaves_no_track_and_no_room_taken(tracker: Tracker):
    free = tracker._pool.num_free
    talk = tracker.talk([click(3), click(4)])
    next(talk)
    assert tracker._pool.num_free == free - 2
    talk.close()
    assert (sorted(tracker.tracks), tracker._pool.num_free) == ([1, 2], free)
    assert tracker.answers == []


def test_tracks_that_begin_together_count_for_the_bound(model: SAM2, frames: list[Frame]):
    tracker = Tracker(model)
    bound = tracker.config.max_tracks
    tracker.step(frames[0], [click(i) for i in range(1, bound + 3)])
    assert len(tracker.tracks) == bound
    assert [type(answer) for answer in tracker.answers[:bound]] == [Applied] * bound
    assert [answer.code for answer in tracker.answers[bound:]] == ["too_many_tracks"] * 2
