import numpy as np
import pytest

from sam2_rt.data.annotator import box_of, first_click
from sam2_rt.data.sample import Sample
from sam2_rt.eval.views import FirstFrames, SampleVideo
from sam2_rt.eval.vos import Told, follow, score_video
from sam2_rt.tracking.prompt import Prompt


def late(sample: Sample, row: int, first: int) -> Sample:
    """The same, with one object that is not seen before a frame."""
    sample.masklets[row, :first] = False
    return sample


def nothing(truth: np.ndarray, age: int) -> np.ndarray:
    """Finds an object only where it was told of."""
    return truth if age == 0 else np.zeros_like(truth)


def test_a_perfect_follower_scores_one(squares, scripted):
    sample = squares(8, num_objects=2)
    begin, _ = scripted(sample)
    score = score_video(SampleVideo("squares", sample), begin)
    assert [(s.object_id, s.j, s.f) for s in score.objects] == [(1, 1, 1), (2, 1, 1)]


def test_neither_the_first_nor_the_last_annotated_frame_is_scored(squares, scripted):
    sample = squares(8)
    # Right where it is told of, wrong in between, right at the end.
    begin, _ = scripted(sample, lambda t, age: t if age in {0, 7} else np.zeros_like(t))
    (score,) = score_video(SampleVideo("squares", sample), begin).objects
    assert (score.j, score.num_frames) == (0, 6)


def test_the_score_is_the_mean_over_frames(squares, scripted):
    sample = squares(8)
    begin, _ = scripted(sample, lambda t, age: t if age <= 3 else np.zeros_like(t))
    (score,) = score_video(SampleVideo("squares", sample), begin).objects
    assert score.jf == pytest.approx(0.5)


def test_an_object_that_comes_later_is_told_of_there_and_scored_after_that(squares, scripted):
    sample = late(squares(8, num_objects=2), row=1, first=3)
    begin, begun = scripted(sample)
    score = score_video(SampleVideo("squares", sample), begin)
    assert [(i, p.track_id) for i, p in begun[0].prompts] == [(0, 1), (3, 2)]
    assert [s.num_frames for s in score.objects] == [6, 3]


def test_an_object_that_comes_too_late_has_no_score(squares, scripted):
    sample = late(squares(8, num_objects=2), row=1, first=6)
    begin, _ = scripted(sample)
    score = score_video(SampleVideo("squares", sample), begin)
    assert [s.object_id for s in score.objects] == [1]
    assert score.unscored == (2,)


def test_frames_that_were_cut_off_are_not_followed(squares, scripted):
    sample = squares(8)
    begin, _ = scripted(sample)
    score = score_video(FirstFrames(SampleVideo("squares", sample), 5), begin)
    assert (score.num_frames, score.objects[0].num_frames) == (5, 3)


def test_pixels_that_nobody_knows_count_for_nothing(squares, scripted):
    plain = squares(6)
    ignored = np.zeros(plain.frames.shape[:3], np.bool_)
    ignored[:, 40:] = True
    sample = Sample(plain.frames, plain.masklets, ignored)
    begin, _ = scripted(sample, lambda truth, age: truth | ignored[0])
    (score,) = score_video(SampleVideo("squares", sample), begin).objects
    assert (score.j, score.f) == (1, 1)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Told.MASK, lambda mask: Prompt(1, mask=mask)),
        (Told.BOX, lambda mask: Prompt(1, box=box_of(mask))),
        (Told.CLICK, lambda mask: Prompt(1, points=(first_click(mask),))),
    ],
)
def test_what_is_said_first(squares, scripted, told, expected):
    sample = squares(4)
    begin, begun = scripted(sample)
    score_video(SampleVideo("squares", sample), begin, told)
    ((index, prompt),) = begun[0].prompts
    wanted = expected(sample.masklets[0, 0])
    assert index == 0
    assert (prompt.points, prompt.box) == (wanted.points, wanted.box)
    assert np.array_equal(prompt.mask, wanted.mask) or prompt.mask is wanted.mask


@pytest.mark.parametrize(("told", "clicks"), [(Told.CLICKS3, 3), (Told.CLICKS5, 5)])
def test_clicks_go_where_the_error_is(squares, scripted, told, clicks):
    sample = squares(4)
    begin, begun = scripted(sample, lambda truth, age: np.roll(truth, 20, axis=1))
    score_video(SampleVideo("squares", sample), begin, told)
    points = [point for _, prompt in begun[0].prompts for point in prompt.points]
    assert len(points) == clicks
    assert all(index == 0 for index, _ in begun[0].prompts)
    truth = sample.masklets[0, 0]
    for point in points:
        assert truth[int(point.y * 64), int(point.x * 64)] == point.is_positive


def test_a_mask_that_is_right_gets_no_more_clicks(squares, scripted):
    sample = squares(4)
    begin, begun = scripted(sample)
    score_video(SampleVideo("squares", sample), begin, Told.CLICKS5)
    assert len(begun[0].prompts) == 1


def test_frames_that_do_not_arrive_are_not_shown(squares, scripted):
    sample = squares(8)
    begin, _ = scripted(sample, nothing)
    found = follow(SampleVideo("squares", sample), begin(1), Told.MASK, {2, 3, 7})
    assert [(f.index, sorted(f.begun)) for f in found] == [(2, [0]), (3, []), (7, [])]
