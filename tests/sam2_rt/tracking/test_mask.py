import torch

from sam2_rt.tracking.mask import SUPPRESSED_LOGIT, suppress_overlap, to_frame


def test_a_mask_covers_the_same_share_of_the_frame():
    logits = torch.full((2, 16, 16), -5.0)
    logits[0, 4:12, 2:10] = 5.0
    mask = to_frame(logits, 180, 320) > 0
    assert mask.shape == (2, 180, 320)
    assert abs(mask[0].float().mean().item() - 0.25) < 0.01
    assert not mask[1].any()


def test_each_place_goes_to_the_largest_logit():
    logits = torch.randn(3, 8, 8) * 4
    out = suppress_overlap(logits)
    winner = logits.argmax(0)
    for row in range(3):
        assert torch.equal(out[row][winner == row], logits[row][winner == row])
        assert (out[row][winner != row] <= SUPPRESSED_LOGIT).all()


def test_a_single_object_has_nobody_to_give_way_to():
    logits = torch.randn(1, 8, 8)
    assert torch.equal(suppress_overlap(logits), logits)
