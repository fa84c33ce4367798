import numpy as np
import pytest

from sam2_rt.eval.absence import Absence, AbsenceMeter, Moment, comes_back, judge
from sam2_rt.eval.views import SampleVideo
from sam2_rt.eval.vos import Told, follow


def moments(areas: list[float], ious: list[float], masks: list[bool] | None = None) -> list[Moment]:
    has_mask = masks or [iou > 0 for iou in ious]
    return [Moment(i, *row) for i, row in enumerate(zip(areas, has_mask, ious, strict=True))]


def stay(away: int, found_after: int, length: int = 15) -> list[Moment]:
    """Seen for 2 frames, away, then back and found after some frames."""
    areas = [0.1] * 2 + [0.0] * away + [0.1] * length
    ious = [1.0] * 2 + [0.0] * away + [0.0] * found_after + [0.9] * (length - found_after)
    return moments(areas, ious[: len(areas)])


def test_an_object_that_stays_says_nothing_of_absence():
    assert judge(moments([0.1] * 5, [0.9] * 5)) == Absence()


def test_false_masks_are_counted_while_it_is_away():
    seen = moments(
        [0.1, 0, 0, 0, 0.1, 0.1, 0.1], [1.0, 0, 0, 0, 1, 1, 1], [True, True] + 5 * [False]
    )
    result = judge(seen)
    assert (result.absent_frames, result.false_frames) == (3, 1)
    assert result.false_share == pytest.approx(1 / 3)


def test_found_at_once_is_no_delay():
    assert judge(stay(3, 0)) == Absence(3, 0, returns=1, reacquired=1, delay_frames=0)


def test_the_delay_counts_frames_since_it_is_back():
    result = judge(stay(3, 4))
    assert (result.reacquired, result.mean_delay_frames) == (1, 4)


@pytest.mark.parametrize(("delay", "reacquired"), [(10, 1), (11, 0)])
def test_it_is_to_be_found_within_ten_frames(delay, reacquired):
    assert judge(stay(3, delay)).reacquired == reacquired


def test_never_found_is_not_reacquired():
    result = judge(stay(3, 15))
    assert (result.returns, result.reacquired, result.mean_delay_frames) == (1, 0, None)


def test_a_mask_beside_the_object_does_not_have_it():
    result = judge(moments([0.1, 0, 0.1, 0.1, 0.1], [1, 0, 0.4, 0.4, 0.4]))
    assert (result.returns, result.reacquired) == (1, 0)


def test_a_sliver_is_neither_away_nor_back():
    result = judge(moments([0.1, 0, 0.0001, 0.1, 0.1, 0.1], [1, 0, 0, 1, 1, 1]))
    assert (result.absent_frames, result.delay_frames, result.reacquired) == (1, 0, 1)


def test_who_looks_in_for_two_frames_is_not_asked_for():
    assert judge(moments([0.1, 0, 0.1, 0.1, 0], [1, 0, 0, 0, 0])).returns == 0


def test_each_return_counts():
    once = [0.0, 0.1, 0.1, 0.1]
    assert judge(moments([0.1, *once, *once], [1.0] * 9, [True] * 9)).returns == 2


def test_frames_between_annotations_count_as_time():
    seen = [Moment(0, 0.1, True, 1), Moment(5, 0, False, 0), Moment(10, 0.1, False, 0),
            Moment(16, 0.1, True, 0.9)]  # fmt: skip
    assert judge(seen).delay_frames == 6


def test_sums_are_over_objects():
    both = judge(stay(3, 2)) + judge(stay(5, 15))
    assert (both.absent_frames, both.returns, both.reacquired_share) == (8, 2, 0.5)


def test_nothing_that_went_away_has_no_shares():
    assert Absence().false_share is None
    assert Absence().reacquired_share is None


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        ([0.1, 0, 0, 0.1, 0.1, 0.1], True),
        ([0.1, 0, 0, 0], False),
        ([0, 0, 0.1, 0.1, 0.1], False),  # it had not been there yet
        ([0.1, 0, 0.1, 0.1], False),  # too short a stay
    ],
)
def test_which_objects_come_back(areas, expected):
    assert comes_back(areas) is expected


def test_the_meter_takes_in_a_whole_video(squares, scripted):
    sample = squares(20, away=range(4, 8))
    begin, _ = scripted(sample, lambda truth, age: truth if age < 6 or age > 9 else ~truth)
    meter = AbsenceMeter()
    for found in follow(SampleVideo("squares", sample), begin(1), Told.MASK):
        meter.watch(found)
    # Away in 4..7, with a false mask in 6 and 7; back in 8, found in 10.
    assert meter.result() == Absence(4, 2, returns=1, reacquired=1, delay_frames=2)


def test_pixels_that_nobody_knows_are_no_false_masks(squares, scripted):
    sample = squares(8, away=range(2, 4))
    ignored = np.ones(sample.frames.shape[:3], np.bool_)
    ignored[:2] = ignored[4:] = False
    begin, _ = scripted(sample, lambda truth, age: ~truth)
    meter = AbsenceMeter()
    known = type(sample)(sample.frames, sample.masklets, ignored)
    for found in follow(SampleVideo("squares", known), begin(1), Told.MASK):
        meter.watch(found)
    assert meter.result().false_frames == 0
