import numpy as np
import pytest

from sam2_rt.eval.arithmetic import Agreement, Twins
from sam2_rt.eval.follower import Masks
from sam2_rt.tracking.prompt import Point, Prompt

CLICK = (Prompt(1, points=(Point(0.5, 0.5),)),)
PICTURE = np.zeros((4, 4, 3), np.uint8)


def masks(*areas: int) -> Masks:
    """One object each, of so many rows of a 4 x 4 picture."""
    found = np.zeros((len(areas), 4, 4), np.bool_)
    for mask, area in zip(found, areas, strict=True):
        mask[:area] = True
    return found


class Fixed:
    """Follows with given masks."""

    def __init__(self, found: Masks) -> None:
        self.found, self.corrected = found, 0

    def step(self, rgb, prompts) -> Masks:
        return self.found

    def correct(self, prompts) -> Masks:
        self.corrected += 1
        return self.found


def test_agreement_is_iou_where_either_has_a_mask():
    agreement = Agreement()
    agreement.watch(masks(4, 0, 2), masks(2, 0, 2))
    agreement.watch(masks(1, 0, 0), masks(0, 0, 0))
    assert agreement.ious == [0.5, 1.0, 0.0]
    assert agreement.mean == pytest.approx(0.5)
    assert agreement.median == 0.5


def test_no_mask_at_all_agrees_with_nothing():
    agreement = Agreement()
    agreement.watch(masks(0), masks(0))
    assert (agreement.mean, agreement.median) == (None, None)


def test_twins_are_told_the_same_and_the_first_one_is_heard():
    agreement, first, second = Agreement(), Fixed(masks(2)), Fixed(masks(4))
    twins = Twins(first, second, agreement)
    assert twins.step(PICTURE, CLICK) is first.found
    assert agreement.ious == []
    twins.step(PICTURE, ())
    assert agreement.ious == [0.5]
    assert twins.correct(CLICK) is first.found
    assert first.corrected == second.corrected == 1
