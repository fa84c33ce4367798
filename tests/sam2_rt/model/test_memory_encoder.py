import torch

from golden_data import assert_near, golden
from sam2_rt.model.layers import sine_position_2d
from sam2_rt.model.memory_encoder import MaskDownsampler
from sam2_rt.model.sam2 import SAM2
from seeded import inputs

MODULES = golden("modules_tiny_2.1_256")


def test_a_memory_agrees_with_the_official_one(tiny: SAM2):
    feature, mask = inputs("me.pix", 1, 256, 16, 16), 10 * inputs("me.mask", 1, 1, 256, 256)
    assert_near(tiny.memory_encoder(feature, mask)[0], MODULES["memory_encoder.features"])
    downsampled = tiny.memory_encoder.mask_downsampler(mask)
    assert_near(downsampled[0, ::4], MODULES["mask_downsampler"])


def test_the_position_of_memories_is_the_official_one():
    position = sine_position_2d(64, 16, 16, torch.device("cpu"))
    assert_near(position[::8], MODULES["memory_encoder.pos"])


def test_one_feature_serves_all_masks(tiny: SAM2):
    feature, masks = inputs("me.pix", 1, 256, 16, 16), torch.randn(3, 1, 256, 256)
    memories = tiny.memory_encoder(feature, masks)
    rows = [tiny.memory_encoder(feature, mask[None]) for mask in masks]
    torch.testing.assert_close(memories, torch.cat(rows), rtol=1e-4, atol=1e-4)


def test_a_narrow_model_has_a_narrow_downsampler():
    assert MaskDownsampler(32, 1)(torch.zeros(2, 1, 64, 64)).shape == (2, 32, 4, 4)


def test_a_coarse_mask_comes_to_the_same_grid():
    assert MaskDownsampler(32, 4)(torch.zeros(2, 1, 16, 16)).shape == (2, 32, 4, 4)
