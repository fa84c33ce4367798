import numpy as np

from sam2_rt.data.scenes.text import draw_sign

TEXTURE = np.full((64, 64, 3), (20, 20, 160), np.uint8)


def test_signs_are_letters_or_plates_with_letters():
    signs = [draw_sign(np.random.default_rng(seed), TEXTURE) for seed in range(20)]
    plates = [sign for sign in signs if (sign.alpha[1:-1, 1:-1] == 255).all()]
    letters = [sign for sign in signs if (sign.alpha == 0).mean() > 0.2]
    assert len(plates) >= 5
    assert len(letters) >= 3
    for plate in plates:
        bright = plate.rgba[..., 1] > 150
        assert 0.03 < bright.mean() < 0.7
