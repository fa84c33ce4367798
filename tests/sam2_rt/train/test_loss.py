import pytest
import torch
from torch import Tensor

from sam2_rt.model.mask_decoder import Candidates
from sam2_rt.train.loss import dice_loss, focal_loss, judge, mask_iou

TRUTH = torch.zeros(2, 8, 8)
TRUTH[:, 2:6, 2:6] = 1
KNOWN = torch.ones(2, 8, 8)
PERFECT = TRUTH * 40 - 20


def candidates(*masks: Tensor, score: float = 9.0, iou: float = 1.0) -> Candidates:
    """Two rows of the same four masks."""
    logits = torch.stack(masks, dim=1).requires_grad_()
    return Candidates(
        logits, torch.full((2, 4), iou), torch.zeros(2, 4, 1), torch.full((2,), score)
    )


def test_what_is_right_costs_nothing():
    losses = judge(candidates(*[PERFECT] * 4), TRUTH, KNOWN, is_ambiguous=True)
    assert losses.total < 1e-3
    assert losses.found_iou == 1


def test_focal_weighs_20_and_the_others_1():
    losses = judge(candidates(*[torch.zeros(2, 8, 8)] * 4), TRUTH, KNOWN, is_ambiguous=False)
    parts = 20 * losses.focal + losses.dice + losses.iou + losses.score
    torch.testing.assert_close(losses.total, parts)
    # alpha * (1 - p)^2 * ln 2 over 16 cells of the object, (1 - alpha) over the other 48
    assert losses.focal.item() == pytest.approx(0.25 * 0.6931 * (0.25 * 16 + 0.75 * 48) / 64, 1e-3)


def test_only_the_best_of_three_masks_is_taught():
    masks = [PERFECT * 0.1, -PERFECT, PERFECT * 0.2, TRUTH * 0]
    given = candidates(*masks)
    losses = judge(given, TRUTH, KNOWN, is_ambiguous=True)
    losses.total.backward()
    assert given.mask_logits.grad is not None
    taught = given.mask_logits.grad.abs().amax(dim=(0, 2, 3)) > 0
    assert taught.tolist() == [False, False, True, False]


def test_a_clear_prompt_teaches_the_single_mask():
    given = candidates(PERFECT * 0.1, PERFECT, PERFECT, PERFECT)
    judge(given, TRUTH, KNOWN, is_ambiguous=False).total.backward()
    assert given.mask_logits.grad is not None
    assert (given.mask_logits.grad.abs().amax(dim=(0, 2, 3)) > 0).tolist() == [
        True,
        False,
        False,
        False,
    ]


def test_an_absent_object_teaches_the_score_alone():
    given = candidates(*[PERFECT] * 4, score=2.0)
    losses = judge(given, TRUTH * 0, KNOWN, is_ambiguous=True)
    assert losses.focal == losses.dice == losses.iou == 0
    assert losses.score.item() == pytest.approx(2.1269, 1e-3)  # ln(1 + e^2)
    assert losses.found_iou.isnan()  # not 0: nothing was to be found


def test_what_nobody_knows_is_not_judged():
    known = KNOWN.clone()
    known[:, :, 6:] = 0
    wrong = PERFECT.clone()
    wrong[:, :, 6:] = 20
    assert judge(candidates(*[wrong] * 4), TRUTH, known, is_ambiguous=True).total < 1e-3
    assert judge(candidates(*[wrong] * 4), TRUTH, KNOWN, is_ambiguous=True).total > 1


def test_the_iou_that_is_predicted_is_taught_by_the_iou_that_is():
    half = PERFECT.clone()
    half[:, 4:] = -20
    losses = judge(candidates(*[half] * 4, iou=0.9), TRUTH, KNOWN, is_ambiguous=True)
    assert losses.found_iou == 0.5
    assert losses.iou.item() == pytest.approx(0.4)


def test_single_losses_lie_in_their_ranges():
    truth, weight = TRUTH[:, None], KNOWN[:, None]
    assert focal_loss(PERFECT[:, None], truth, weight).max() < 1e-6
    assert dice_loss(-PERFECT[:, None], truth, weight).min() > 0.9
    assert mask_iou(TRUTH[:, None] * 0 - 1, TRUTH[:, None] * 0, weight).tolist() == [[1], [1]]


@pytest.mark.parametrize(("cells", "is_judged"), [(0, True), (3, False), (4, True)])
def test_a_sliver_says_nothing_of_whether_the_object_is_there(cells: int, is_judged):
    coverage = torch.zeros(1, 80, 80)
    coverage[0, 0, :cells] = 1.0
    nothing = torch.zeros(1, 4)
    given = Candidates(torch.zeros(1, 4, 80, 80), nothing, nothing[..., None], torch.zeros(1))
    score = judge(given, coverage, torch.ones(1, 80, 80), is_ambiguous=True).score
    assert (score > 0) == is_judged
