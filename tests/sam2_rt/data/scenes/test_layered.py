import numpy as np

from picture_folders import write_masked
from sam2_rt.data.scenes.affine import corners
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.layered import draw_layered, draw_portrait
from sam2_rt.data.scenes.photos import cutout_bank, masked_bank, photo_bank
from sam2_rt.data.scenes.scene import Format

EMPTY = Cast(photo_bank(()), masked_bank(()), cutout_bank(()))
HARD, EASY = Format(4, 64, 1.0), Format(4, 64, 0.0)


def test_harder_scenes_hold_more():
    counts = [
        [len(draw_layered(np.random.default_rng(s), EMPTY, form).things) for s in range(20)]
        for form in (EASY, HARD)
    ]
    assert np.mean(counts[1]) > np.mean(counts[0]) + 1
    assert min(counts[0]) >= 2


def test_the_background_covers_every_view():
    for seed in range(20):
        scene = draw_layered(np.random.default_rng(seed), EMPTY, HARD)
        height, width = scene.backdrop.rgb.shape[:2]
        seen = np.linalg.inv(scene.backdrop.matrices) @ corners(64, 64)
        assert seen[:, 0].min() >= -0.01
        assert seen[:, 0].max() <= width + 0.01
        assert seen[:, 1].min() >= -0.01
        assert seen[:, 1].max() <= height + 0.01


def test_there_is_no_portrait_without_people(tmp_path):
    assert draw_portrait(np.random.default_rng(0), EMPTY, HARD) is None
    whole = Cast(photo_bank(()), masked_bank((write_masked(tmp_path / "m"),)), cutout_bank(()))
    assert draw_portrait(np.random.default_rng(0), whole, HARD) is None
