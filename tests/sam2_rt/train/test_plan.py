import random
from collections import Counter

from sam2_rt.train.plan import MAX_CLICKS, MAX_CLICKS_IN_CLIP, draw_plan, draw_played


def plans(num_frames: int):
    rng = random.Random(0)
    return [draw_plan(rng, num_frames) for _ in range(2000)]


def test_clips_begin_with_mask_click_and_box_as_two_to_one_to_one():
    count = Counter(plan.first for plan in plans(8))
    assert 900 < count["mask"] < 1100
    assert 420 < count["click"] < 580
    assert 420 < count["box"] < 580


def test_a_still_is_never_given_its_own_mask():
    assert {plan.first for plan in plans(1)} == {"click", "box"}


def test_corrections_keep_their_bounds():
    assert max(plan.corrections for plan in plans(1)) == MAX_CLICKS
    assert max(plan.corrections for plan in plans(4)) == MAX_CLICKS_IN_CLIP
    assert all(plan.corrections == 0 for plan in plans(4) if plan.first == "mask")


def test_half_of_the_longer_clips_are_corrected_in_one_later_frame():
    corrected = [plan.corrected for plan in plans(4) if plan.corrected is not None]
    assert set(corrected) == {1, 2, 3}
    assert 900 < len(corrected) < 1100
    assert all(plan.corrected is None for plan in plans(2))


def test_a_long_clip_is_played_whole_thinned_or_cut_and_its_end_is_learned():
    rng = random.Random(0)
    played = {draw_played(rng, 16) for _ in range(50)}
    assert played == {range(16), range(0, 16, 2), range(8)}
    assert {draw_plan(rng, len(each)).lead for each in played} == {8, 0}
    assert draw_played(rng, 8) == range(8)
