import numpy as np
import pytest

from sam2_rt.eval.interactive import Track, offline, online
from sam2_rt.eval.views import SampleVideo


def forgets(after: int):
    """Finds an object for some frames after a click, and then no more."""
    return lambda truth, age: truth if age < after else np.zeros_like(truth)


def test_offline_the_worst_frame_is_clicked_in_next(squares, scripted):
    sample = squares(12)
    begin, _ = scripted(sample, forgets(4))
    (curve,) = offline(SampleVideo("squares", sample), begin, 4)
    # Right in 4 of 12 frames; then the first wrong frame is mended, and the 3 after it.
    assert curve.iou == pytest.approx((4 / 12, 8 / 12, 1, 1))
    assert curve.jf == pytest.approx(curve.iou)


def test_offline_all_clicks_so_far_are_said_again_in_their_frames(squares, scripted):
    sample = squares(12)
    begin, begun = scripted(sample, forgets(4))
    offline(SampleVideo("squares", sample), begin, 3)
    assert [sorted({index for index, _ in f.prompts}) for f in begun] == [[0], [0, 4], [0, 4, 8]]
    clicks = [{i: p.points for i, p in f.prompts} for f in begun]
    assert clicks[2][0] == clicks[0][0]
    assert clicks[2][4] == clicks[1][4]


def test_offline_ends_when_all_is_right(squares, scripted):
    sample = squares(6)
    begin, begun = scripted(sample)
    (curve,) = offline(SampleVideo("squares", sample), begin, 8)
    assert curve.iou == (1,) * 8
    assert len(begun) == 1


def test_online_the_user_stops_where_the_mask_is_bad(squares, scripted):
    sample = squares(12)
    begin, begun = scripted(sample, forgets(4))
    (curve,) = online(SampleVideo("squares", sample), begin, 6)
    assert curve.iou == pytest.approx((4 / 12, 8 / 12, 1, 1, 1, 1))
    stops = [sorted({index for index, _ in f.prompts}) for f in begun]
    # With four frames allowed it is found that three are enough: five are not tried.
    assert stops == [[0], [0, 4], [0, 4, 8], [0, 4, 8]]


def test_online_a_mask_that_is_good_enough_is_left_alone(squares, scripted):
    sample = squares(12)
    # Rows of 16: without 3 of them IoU is 0.81, without 5 it is 0.69.
    begin, begun = scripted(sample, lambda t, age: np.roll(t, 3, axis=0) & t if age else t)
    (curve,) = online(SampleVideo("squares", sample), begin, 3)
    assert {index for index, _ in begun[-1].prompts} == {0}
    begin, begun = scripted(sample, lambda t, age: np.roll(t, 5, axis=0) & t if age else t)
    online(SampleVideo("squares", sample), begin, 3)
    assert {index for index, _ in begun[-1].prompts} == {0, 1, 2}
    assert curve.iou[0] == pytest.approx((1 + 11 * 13 / 16) / 12)


def drifts(truth: np.ndarray, age: int) -> np.ndarray:
    """Finds an object a pixel further to the right for each frame since it was told of."""
    return np.roll(truth, age, axis=1)


def overlap(age: int) -> float:
    """IoU of a square of 16 pixels with itself so many pixels away."""
    return (16 - age) / (16 + age)


def test_offline_clicks_may_reach_back_to_the_middle_between_clicked_frames(squares, scripted):
    sample = squares(12)
    video = SampleVideo("squares", sample)
    forward, both = (
        offline(video, scripted(sample, drifts)[0], 2, reaches_back=way)[0] for way in (False, True)
    )
    there = [overlap(age) for age in range(12)]
    assert forward.iou[0] == both.iou[0] == pytest.approx(np.mean(there))
    # Then frame 11, the worst, is clicked in; frames 6 to 10 are nearer to it than to frame 0.
    assert forward.iou[1] == pytest.approx(np.mean([*there[:11], 1]))
    assert both.iou[1] == pytest.approx(np.mean([*there[:6], *there[5:0:-1], 1]))


def test_the_way_back_is_told_of_the_masks_that_clicks_gave(squares, scripted):
    sample = squares(12)
    begin, begun = scripted(sample, drifts)
    offline(SampleVideo("squares", sample), begin, 2, reaches_back=True)
    _, _, back = begun  # after the first pass there was nothing before what was clicked in
    assert [index for index, _ in back.prompts] == [0, 11]
    for index, prompt in back.prompts:
        assert prompt.mask is not None
        assert np.array_equal(prompt.mask, sample.masklets[0, index])
    assert back.index == 1  # it went back to the frame after the first


def test_a_click_that_says_an_object_is_away_does_not_reach_back(squares, scripted):
    sample = squares(8, away=[4, 5, 6, 7])
    begin, begun = scripted(sample, lambda t, age: t if t.any() or age <= 0 else ~t)
    (curve,) = offline(SampleVideo("squares", sample), begin, 2, reaches_back=True)
    assert curve.iou == (0.5, 0.625)
    assert [index for index, _ in begun[-1].prompts] == [0]


@pytest.mark.parametrize("play", [offline, online])
def test_three_clicks_are_made_in_a_frame_that_stays_wrong(squares, scripted, play):
    sample = squares(4)
    begin, begun = scripted(sample, lambda truth, age: np.roll(truth, 20, axis=1))
    play(SampleVideo("squares", sample), begin, 1)
    assert len(begun[0].prompts) == 3


@pytest.mark.parametrize("play", [offline, online])
def test_each_object_is_corrected_by_itself(squares, scripted, play):
    sample = squares(12, num_objects=2)
    begin, _ = scripted(sample, forgets(4))
    begin_one, _ = scripted(squares(12), forgets(4))
    first, second = play(SampleVideo("squares", sample), begin, 3)
    (alone,) = play(SampleVideo("squares", squares(12)), begin_one, 3)
    assert first.iou == second.iou == alone.iou


@pytest.mark.parametrize("play", [offline, online])
def test_an_object_that_comes_later_is_judged_from_there(squares, scripted, play):
    sample = squares(12, num_objects=2)
    sample.masklets[1, :6] = False
    begin, _ = scripted(sample, forgets(3))
    _, late = play(SampleVideo("squares", sample), begin, 2)
    assert late.iou == (0.5, 1)


@pytest.mark.parametrize("play", [offline, online])
def test_a_mask_where_the_object_is_away_is_clicked_off(squares, scripted, play):
    sample = squares(8, away=[4, 5, 6, 7])
    begin, begun = scripted(sample, lambda t, age: t if t.any() or age == 0 else ~t)
    (curve,) = play(SampleVideo("squares", sample), begin, 2)
    assert curve.iou == (0.5, 0.625)
    (last,) = (prompt for index, prompt in begun[-1].prompts if index == 4)
    assert not last.points[0].is_positive


def test_a_frame_is_not_chosen_twice():
    track = Track([0, 3], {0: (0.5, 0.5), 3: (0.1, 0.1), 4: (0.2, 0.2), 5: (1, 1)})
    assert track.worst() == 4
    track.clicked.append(4)
    assert track.worst() is None
