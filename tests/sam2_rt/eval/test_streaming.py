import numpy as np
import pytest

from sam2_rt.eval.streaming import DELIVERIES, Delivery, score_stream
from sam2_rt.eval.views import SampleVideo


def all_of(video) -> frozenset[int]:
    return frozenset(range(video.num_frames))


def test_without_loss_all_frames_arrive(video):
    assert Delivery("all").indices(video) == all_of(video)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_is_lost_but_never_the_first_frame(squares, share):
    video = SampleVideo("long", squares(400))
    for seed in range(20):
        arrived = Delivery("lossy", dropped=share).indices(video, seed)
        assert 0 in arrived
        assert len(arrived) == pytest.approx(400 * (1 - share), abs=45)


def test_the_same_seed_loses_the_same_frames(squares):
    lossy = Delivery("lossy", dropped=0.5)
    one, other = SampleVideo("one", squares(60)), SampleVideo("other", squares(60))
    assert lossy.indices(one, 1) == lossy.indices(one, 1)
    assert lossy.indices(one, 1) != lossy.indices(one, 2)
    assert lossy.indices(one, 1) != lossy.indices(other, 1)


def test_every_fourth_frame(video):
    assert Delivery("rare", every=4).indices(video) == {0, 4, 8}


def test_the_ways_that_are_measured():
    assert [(d.dropped, d.every) for d in DELIVERIES] == [
        (0, 1),
        (0.1, 1),
        (0.5, 1),
        (0, 2),
        (0, 4),
    ]


def test_a_perfect_follower_is_perfect_where_frames_arrive_and_late_where_they_do_not(
    squares, scripted
):
    sample = squares(12)
    video = SampleVideo("squares", sample)
    begin, _ = scripted(sample)
    score = score_stream(video, begin, Delivery("rare", every=4).indices(video))
    ((arrived,), (held,)) = score.arrived, score.held
    assert (arrived.j, arrived.num_frames) == (1, 2)
    # The square moves by 2 of its 16 pixels a frame: J is 14/18, 12/20 and 10/22 when held.
    late = [14 / 18, 12 / 20, 10 / 22]
    assert held.num_frames == 10
    assert held.j == pytest.approx(np.mean([*late, 1, *late, 1, *late[:2]]))


def test_when_all_arrives_both_scores_are_the_same(squares, scripted):
    sample = squares(12)
    video = SampleVideo("squares", sample)
    begin, _ = scripted(sample, lambda truth, age: np.roll(truth, age, axis=0))
    score = score_stream(video, begin, all_of(video))
    assert score.arrived == score.held


def test_frames_that_do_not_arrive_are_not_shown_to_the_follower(squares, scripted):
    sample = squares(12)
    video = SampleVideo("squares", sample)
    begin, _ = scripted(sample)
    shown = []
    score_stream(video, begin, frozenset({0, 5, 6}), lambda found: shown.append(found.index))
    assert shown == [0, 5, 6]
