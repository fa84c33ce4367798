import numpy as np
import pytest
from PIL import Image

from picture_folders import GREY, RED, write_cutouts, write_masked, write_photos
from sam2_rt.data.scenes.cast import Cast, camouflage, crop
from sam2_rt.data.scenes.photos import cutout_bank, masked_bank, photo_bank
from sam2_rt.data.scenes.sprite import make_sprite

EMPTY = Cast(photo_bank(()), masked_bank(()), cutout_bank(()))


@pytest.fixture
def cast(tmp_path) -> Cast:
    return Cast(
        photo_bank((write_photos(tmp_path / "p"),)),
        masked_bank((write_masked(tmp_path / "m"),)),
        cutout_bank((write_cutouts(tmp_path / "c"),)),
    )


def test_without_folders_there_are_textures_and_shapes():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        assert EMPTY.background(rng).shape[2] == 3
        assert EMPTY.texture(rng, 50).shape == (50, 50, 3)
        assert (EMPTY.sprite(rng).alpha > 127).mean() > 0.05
    assert EMPTY.whole_object(rng) is None
    assert EMPTY.bust(rng) is None
    assert EMPTY.piece(rng) is None


def test_objects_are_cut_out_of_photographs(cast):
    sprite = cast.whole_object(np.random.default_rng(0))
    inside = sprite.rgba[sprite.alpha == 255][:, :3].astype(int)
    assert np.abs(inside - RED).max() <= 2
    assert len(inside) > 6000


def test_nobody_is_cut_off_in_these_photographs(cast):
    assert cast.bust(np.random.default_rng(0)) is None


def test_backgrounds_are_of_both_kinds_of_photographs_and_textures(cast):
    backgrounds = [cast.background(np.random.default_rng(seed)) for seed in range(40)]
    grey = [np.mean((picture == GREY).all(axis=-1)) > 0.5 for picture in backgrounds]
    assert 5 <= sum(grey) <= 30
    assert {picture.shape[:2] for picture in backgrounds} == {(240, 320), (300, 400)}


def test_camouflage_keeps_the_outline_and_takes_the_background_s_colours():
    alpha = np.zeros((50, 80), np.uint8)
    alpha[10:40, 5:70] = 255
    sprite = make_sprite(np.full((50, 80, 3), (255, 0, 0), np.uint8), alpha)
    background = np.full((100, 120, 3), (30, 120, 200), np.uint8)
    hidden = camouflage(np.random.default_rng(0), sprite, background)
    assert (hidden.alpha == sprite.alpha).all()
    colour = hidden.rgba[hidden.alpha == 255][:, :3].mean(axis=0)
    assert colour[0] < colour[1] < colour[2]
    assert np.abs(colour - (30, 120, 200)).max() > 5


def test_crops_come_from_within_the_picture():
    picture = np.full((30, 200, 3), 77, np.uint8)
    for seed in range(5):
        assert (crop(np.random.default_rng(seed), picture, 64) == 77).all()


def test_the_upper_part_of_who_stands_is_a_bust_too(tmp_path):
    folder = write_masked(tmp_path / "m", 1)
    ids = np.zeros((240, 320), np.uint8)
    ids[20:220, 140:200] = 7
    Image.fromarray(ids).save(folder / "masks" / "0.png")
    cast = Cast(photo_bank(()), masked_bank((folder,)), cutout_bank(()))
    heights = [cast.bust(np.random.default_rng(seed)).size[1] for seed in range(10)]
    assert 65 <= min(heights) < max(heights) <= 155
