import numpy as np
import pytest
import torch

from sam2_rt.eval.follower import AS_PUBLISHED, AS_SERVED, ModelFollower, place
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.mask import to_frame
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.tracker import Tracker


def click(track_id: int, x: float = 0.2, y: float = 0.2) -> Prompt:
    return Prompt(track_id, points=(Point(x, y),))


def test_it_finds_what_the_tracker_finds(model, squares):
    sample = squares(4)
    tracker, follower = Tracker(model), ModelFollower(model, 1)
    for index, rgb in enumerate(sample.frames):
        prompts = [click(1)] if index == 0 else []
        (prediction,) = tracker.step(Frame(index, (rgb,)), prompts)
        (mask,) = follower.step(rgb, prompts)
        logits = to_frame(prediction.mask_logits[None], *rgb.shape[:2])[0]
        assert mask.any()
        assert (mask == (logits > 0).numpy()).all()


def test_objects_that_nothing_was_said_of_have_empty_masks(model, squares):
    masks = ModelFollower(model, 3).step(squares(1).frames[0], [click(2)])
    assert [bool(mask.any()) for mask in masks] == [False, True, False]


def test_masks_are_of_the_frames_size(model):
    rgb = np.random.default_rng(0).integers(0, 255, (48, 80, 3), np.uint8)
    assert ModelFollower(model, 1).step(rgb, [click(1)]).shape == (1, 48, 80)


def test_a_mask_that_is_given_is_taken_as_it_is(model, squares):
    sample = squares(1)
    truth = sample.masklets[0, 0]
    (found,) = ModelFollower(model, 1).step(sample.frames[0], [Prompt(1, mask=truth)])
    assert (found & truth).sum() / (found | truth).sum() > 0.8


def test_each_pixel_belongs_to_one_object_unless_masks_may_overlap(model, squares):
    rgb, prompts = squares(1).frames[0], [click(1), click(2, 0.8, 0.8)]
    apart = ModelFollower(model, 2).step(rgb, prompts)
    together = ModelFollower(model, 2, may_overlap=True).step(rgb, prompts)
    assert (together.sum(axis=0) == 2).any()
    assert apart.sum(axis=0).max() == 1
    assert (apart.any(axis=0) == together.any(axis=0)).all()


def test_the_largest_logit_gets_the_pixel():
    first, second = torch.full((8, 8), 1.0), torch.full((8, 8), 2.0)
    second[:, :4] = -1.0
    masks = place({1: first, 2: second}, 2, (8, 8), may_overlap=False)
    assert masks[0, :, :3].all()
    assert not masks[0, :, 5:].any()
    assert masks[1, :, 5:].all()


def test_a_correction_changes_the_newest_frame_and_those_after(model, squares):
    frames = squares(3).frames
    corrected, left = ModelFollower(model, 1), ModelFollower(model, 1)
    before = corrected.step(frames[0], [click(1)])
    left.step(frames[0], [click(1)])
    after = corrected.correct([Prompt(1, points=(Point(0.9, 0.9, is_positive=False),))])
    assert (before != after).any()
    assert (corrected.step(frames[1], []) != left.step(frames[1], [])).any()


def test_a_hidden_object_has_an_empty_mask(model, squares):
    bias = model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias")
    frames = squares(2).frames
    follower = ModelFollower(model, 1)
    assert follower.step(frames[0], [click(1)]).any()
    bias.data -= 200
    try:
        assert not follower.step(frames[1], []).any()
    finally:
        bias.data += 200


@pytest.mark.parametrize("config", [AS_PUBLISHED, AS_SERVED])
def test_no_track_is_ever_given_up(config):
    assert config.presence.drop_after_frames > 10**9


def test_a_video_may_have_more_objects_than_a_viewer_may(model, squares):
    follower = ModelFollower(model, 20)
    masks = follower.step(squares(1).frames[0], [click(n) for n in range(1, 21)])
    assert masks.any(axis=0).any()
    assert len(masks) == 20
