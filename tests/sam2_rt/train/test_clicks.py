import torch

from sam2_rt.train.clicks import correct, first_click, jittered_box

ROWS = 200
KNOWN = torch.ones(1, 16, 16)


def disk(rows: int = ROWS) -> torch.Tensor:
    """[rows, 16, 16]: a disk of radius 5 about (9, 6), as shares of cells."""
    y, x = torch.meshgrid(torch.arange(16) + 0.5, torch.arange(16) + 0.5, indexing="ij")
    return (5.5 - torch.hypot(x - 9, y - 6)).clamp(0, 1).expand(rows, -1, -1)


def radius(points: torch.Tensor) -> torch.Tensor:
    return torch.hypot(points[:, 0, 0] / 4 - 9, points[:, 0, 1] / 4 - 6)


def test_the_first_click_is_on_the_object_and_half_keep_away_from_its_outline():
    torch.manual_seed(0)
    prompt = first_click(disk())
    assert prompt.labels.tolist() == [[1]] * ROWS
    distance = radius(prompt.points)
    assert (distance < 6).all()
    near_the_middle = (distance < 3.2).float().mean()
    assert 0.5 < near_the_middle < 0.85  # about a third of the others are there too
    assert len(prompt.points.unique(dim=0)) == ROWS


def test_an_object_of_half_a_cell_is_clicked_in_that_cell():
    coverage = torch.zeros(8, 16, 16)
    coverage[:, 3, 12] = 0.3
    points = first_click(coverage).points
    assert ((points[:, 0] / 4).floor() == torch.tensor([12, 3])).all()


def test_a_box_surrounds_the_object_more_or_less():
    torch.manual_seed(0)
    prompt = jittered_box(disk())
    assert prompt.labels.tolist() == [[2, 3]] * ROWS
    box = prompt.points / 4
    expected = torch.tensor([[4.0, 1.0], [14.0, 11.0]])
    assert (box.mean(dim=0) - expected).abs().max() < 0.35
    assert (box - expected).abs().max() < 2.5
    assert box.std(dim=0).min() > 0.4
    assert (box[:, 1] > box[:, 0]).all()


def test_a_correction_lies_in_the_error_and_says_which_kind_it_is():
    torch.manual_seed(0)
    coverage = disk()
    found = torch.full_like(coverage, -5.0)
    found[:, :, :9] = 5.0  # the left half of the picture in place of the disk
    prompt = correct(first_click(coverage), coverage, KNOWN, found)
    assert prompt.points.shape == (ROWS, 2, 2)
    x = prompt.points[:, 1, 0] / 4
    inside = torch.hypot(x - 9, prompt.points[:, 1, 1] / 4 - 6) < 6.2
    is_positive = prompt.labels[:, 1] == 1
    assert (x[is_positive] >= 9).all()
    assert inside[is_positive].all()
    assert (x[~is_positive] < 9).all()
    assert 20 < is_positive.sum() < 180
    assert prompt.mask_logits is not None
    assert torch.equal(prompt.mask_logits[:, 0], found)


def test_what_is_fed_back_is_clamped_and_teaches_nothing():
    logits = torch.full((1, 16, 16), -1024.0, requires_grad=True)
    prompt = correct(None, disk(1), KNOWN, logits)
    assert prompt.mask_logits is not None
    assert prompt.mask_logits.min() == -32
    assert not prompt.mask_logits.requires_grad


def test_a_perfect_mask_is_confirmed_and_an_absent_object_denied():
    torch.manual_seed(0)
    coverage = disk().clone()
    coverage[100:] = 0
    prompt = correct(None, coverage, KNOWN, coverage * 20 - 10)
    assert (prompt.labels[:100] == 1).all()
    assert (prompt.labels[100:] == 0).all()


def test_nothing_is_said_of_what_nobody_knows():
    torch.manual_seed(0)
    known = KNOWN.clone()
    known[:, :, :9] = 0
    found = torch.full((ROWS, 16, 16), 5.0)
    points = correct(None, disk(), known, found).points / 4
    assert (points[..., 0] >= 9).all()
