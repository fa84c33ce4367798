import pytest
import torch

from golden_data import assert_near, golden
from sam2_rt.model.config import LARGE, SMALL, TINY, ModelConfig, TrunkConfig
from sam2_rt.model.image_encoder import Hiera, partition, unpartition
from sam2_rt.model.sam2 import SAM2
from seeded import SMALL_HIERA, inputs, seed_

TRUNKS = {"tiny": TINY, "small": SMALL, "large": LARGE}


@pytest.mark.parametrize("size", TRUNKS)
def test_the_trunk_and_the_neck_agree_with_the_official_ones(size: str):
    official = golden(f"encoder_{size}_2.1_256")
    model = seed_(SAM2(ModelConfig(TRUNKS[size], image_size=256)))
    pixels = inputs("image256", 1, 3, 256, 256)
    for i, stage in enumerate(model.image_encoder.trunk(pixels)):
        step = max(1, 2 // 2**i)
        assert_near(stage[0, ::step, ::step, ::8].permute(2, 0, 1), official[f"enc.stage{i}.slice"])
        assert_near(stage[0].mean((0, 1)), official[f"enc.stage{i}.chanmean"])
    embedding = model.encode_image(pixels)
    maps = (*embedding.high_resolution, embedding.feature)
    for i, (feature, channel_step) in enumerate(zip(maps, (2, 4, 8), strict=True)):
        step = max(1, 2 // 2**i)
        assert_near(feature[0, ::channel_step, ::step, ::step], official[f"enc.fpn{i}.slice"])
        assert_near(feature[0].mean((1, 2)), official[f"enc.fpn{i}.chanmean"])


def test_the_position_embedding_is_the_official_one(tiny: SAM2):
    position = tiny.image_encoder.trunk.position(64)[0]
    assert_near(position[::4, ::4, ::4], golden("modules_tiny_2.1_256")["hiera.pos_embed_64"])


def test_the_kept_position_follows_the_weights():
    trunk = Hiera(SMALL_HIERA)
    before = trunk.position(16)
    with torch.no_grad():
        trunk.pos_embed.add_(1)
    torch.testing.assert_close(trunk.position(16), before + 1)
    trunk.pos_embed.data += 1  # as averaged weights are swapped in
    torch.testing.assert_close(trunk.position(16), before + 2)


@pytest.mark.parametrize("side", [14, 15, 28, 33])
def test_unpartition_undoes_partition(side: int):
    x = torch.randn(2, side, side, 3)
    windows, rows = partition(x, 14)
    assert windows.shape[1:3] == (14, 14)
    assert torch.equal(unpartition(windows, 2, rows)[:, :side, :side], x)


@pytest.mark.parametrize("image_size", [32, 96, 224])
def test_any_size_divisible_by_32_is_encoded(image_size: int):
    trunk = TrunkConfig(16, 1, (1, 1, 2, 1), (3,))
    model = SAM2(ModelConfig(trunk, image_size=image_size, dim=64)).eval()
    embedding = model.encode_image(torch.randn(1, 3, image_size, image_size))
    grid = image_size // 16
    assert embedding.feature.shape == (1, 64, grid, grid)
    assert embedding.high_resolution[0].shape == (1, 8, 4 * grid, 4 * grid)
