import torch

from golden_data import assert_near, golden
from sam2_rt.model.prompt_encoder import PromptEncoder, draw_maps
from sam2_rt.model.sam2 import SAM2
from seeded import inputs

MODULES = golden("modules_tiny_2.1_256")


def test_points_agree_with_the_official_encoder(tiny: SAM2):
    encoder = tiny.sam_prompt_encoder
    points = torch.tensor([[[10.0, 20.0], [100.5, 200.25], [0.0, 0.0]]])
    tokens = encoder.encode_points(points, torch.tensor([[1, 0, -1]]), 256)
    assert_near(tokens, MODULES["prompt.points.sparse"])
    assert_near(encoder.no_mask(16)[0, :, 0, 0], MODULES["prompt.points.dense"])


def test_a_box_and_a_mask_agree_with_the_official_encoder(tiny: SAM2):
    encoder = tiny.sam_prompt_encoder
    corners = torch.tensor([[[30.0, 40.0], [200.0, 220.0]]])
    tokens = encoder.encode_points(corners, torch.tensor([[2, 3]]), 256)
    assert_near(tokens, MODULES["prompt.boxmask.sparse"])
    dense = encoder.encode_dense(5 * inputs("pmask", 1, 1, 64, 64), None, 16)
    assert_near(dense[0], MODULES["prompt.boxmask.dense"])


def test_the_grid_position_is_the_official_one(tiny: SAM2):
    assert_near(tiny.sam_prompt_encoder.grid_position(16)[0, ::4], MODULES["dense_pe"])


def test_rows_of_a_batch_are_encoded_apart(tiny: SAM2):
    encoder = tiny.sam_prompt_encoder
    points, labels = torch.rand(3, 2, 2) * 256, torch.tensor([[1, 0], [2, 3], [1, -1]])
    rows = [encoder.encode_points(points[i : i + 1], labels[i : i + 1], 256) for i in range(3)]
    torch.testing.assert_close(encoder.encode_points(points, labels, 256), torch.cat(rows))


def test_clicks_are_drawn_where_they_are_and_boxes_as_their_inside():
    points = torch.tensor([[[0.25, 0.75], [0.75, 0.25]], [[0.25, 0.5], [0.75, 1.0]]])
    labels = torch.tensor([[1, 0], [2, 3]])
    maps = draw_maps(points, labels, 32)
    positive, negative, box = maps[0]
    assert positive[24, 8] == positive.max() > 7
    assert negative[8, 24] == negative.max() > 7
    assert negative[24, 8] < 0.01
    assert not box.any()
    assert not maps[1, :2].any()
    inside = maps[1, 2] > 5
    assert inside[16:, 8:24].all()
    assert inside.sum() == 16 * 16


def test_what_was_not_given_is_blank():
    encoder = PromptEncoder(32, draws_maps=True).eval()
    mask, maps = torch.randn(2, 1, 16, 16), torch.randn(2, 3, 16, 16)
    blank = torch.zeros(2, 1, 16, 16)
    assert torch.equal(encoder.encode_dense(None, maps, 4), encoder.encode_dense(blank, maps, 4))
    assert torch.equal(
        encoder.encode_dense(mask, None, 4),
        encoder.encode_dense(mask, blank.expand(-1, 3, -1, -1), 4),
    )
    assert torch.equal(encoder.encode_dense(None, None, 4), encoder.no_mask(4))
