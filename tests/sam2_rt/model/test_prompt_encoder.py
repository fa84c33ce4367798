import torch

from golden_data import assert_near, golden
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
