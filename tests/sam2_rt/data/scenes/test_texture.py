import numpy as np
import pytest

from sam2_rt.data.scenes import texture


@pytest.mark.parametrize(
    "draw", [texture.clouds, texture.gradient, texture.stripes, texture.cells, texture.checks]
)
def test_a_texture_fills_its_size_and_is_not_plain(draw):
    stds = []
    for seed in range(10):
        picture = draw(np.random.default_rng(seed), 60, 90)
        assert picture.shape == (60, 90, 3)
        assert picture.dtype == np.uint8
        stds.append(picture.std(axis=(0, 1)).max())
    assert np.mean(stds) > 10


def test_the_seed_decides_the_texture():
    first, again, other = (
        texture.draw_texture(np.random.default_rng(seed), 40, 40) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()
