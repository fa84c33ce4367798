import numpy as np
import pytest

from sam2_rt.data.scenes import shape


@pytest.mark.parametrize("draw", [shape.polygon, shape.star, shape.blob, shape.ellipse, shape.bar])
def test_an_outline_fills_a_good_part_of_its_square(draw):
    for seed in range(10):
        mask = draw(np.random.default_rng(seed), 96)
        assert mask.shape == (96, 96)
        assert 0.04 < (mask > 127).mean() < 0.85
        assert not (mask[0].any() and mask[-1].any() and mask[:, 0].any() and mask[:, -1].any())


def test_a_blob_may_have_a_hole():
    rng = np.random.default_rng(0)
    assert shape.blob(rng, 96, holes=True)[48, 48] == 0


def test_outlines_differ():
    outlines = [shape.draw_outline(np.random.default_rng(seed), 64) for seed in range(20)]
    assert len({one.tobytes() for one in outlines}) == 20
