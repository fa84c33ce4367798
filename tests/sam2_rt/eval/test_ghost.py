import numpy as np
import pytest

from sam2_rt.eval.ghost import Ghost, GhostMeter
from sam2_rt.eval.views import SampleVideo
from sam2_rt.eval.vos import Told, follow


def ghost_of(sample, begin) -> Ghost:
    meter = GhostMeter()
    for found in follow(SampleVideo("squares", sample), begin(len(sample.masklets)), Told.MASK):
        meter.watch(found)
    return meter.result()


def test_what_stays_at_the_first_place_is_a_share_of_it_once_the_object_has_left(squares, scripted):
    sample = squares(20)
    quarter = np.zeros_like(sample.masklets[0, 0])
    quarter[4:8, 4:20] = True  # of the 16 rows of the first mask
    begin, _ = scripted(sample, lambda truth, age: truth | quarter)
    # 16 pixels wide, 2 a frame: from frame 8 on nothing of it is where it was.
    assert ghost_of(sample, begin) == Ghost(12, pytest.approx(12 * 0.25))


def test_a_follower_without_a_ghost_has_none(squares, scripted):
    sample = squares(20)
    begin, _ = scripted(sample)
    assert ghost_of(sample, begin).share == 0


def test_what_is_wrong_elsewhere_is_no_ghost(squares, scripted):
    sample = squares(20)
    elsewhere = np.zeros_like(sample.masklets[0, 0])
    elsewhere[30:60] = True
    begin, _ = scripted(sample, lambda truth, age: truth | elsewhere)
    assert ghost_of(sample, begin).share == 0


def test_an_object_that_is_away_has_left_its_place(squares, scripted):
    sample = squares(5, away=[2, 3])
    begin, _ = scripted(sample, lambda truth, age: sample.masklets[0, 0])
    assert ghost_of(sample, begin) == Ghost(2, 2.0)


def test_an_object_that_stays_cannot_leave_a_ghost(squares, scripted):
    sample = squares(4)
    begin, _ = scripted(sample, lambda truth, age: np.ones_like(truth))
    assert ghost_of(sample, begin).share is None


def test_pixels_that_nobody_knows_are_no_ghost(squares, scripted):
    sample = squares(12)
    ignored = np.ones(sample.frames.shape[:3], np.bool_)
    ignored[0] = False
    begin, _ = scripted(sample, lambda truth, age: np.ones_like(truth))
    assert ghost_of(type(sample)(sample.frames, sample.masklets, ignored), begin).share == 0


def test_each_object_has_its_own_first_place(squares, scripted):
    sample = squares(12, num_objects=2)
    sample.masklets[1, :2] = False  # told of two frames later
    begin, _ = scripted(sample, lambda truth, age: np.ones_like(truth))
    assert ghost_of(sample, begin) == Ghost(4 + 2, pytest.approx(6.0))
