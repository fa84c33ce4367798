import numpy as np

from sam2_rt.data.scenes.photos import LabelledObject, Photo
from sam2_rt.data.scenes.sprite import (
    cut_out,
    feather,
    fit_sprite,
    flip_sprite,
    is_bust,
    is_whole,
    make_sprite,
    shade_sprite,
)

RGB = np.full((60, 80, 3), 200, np.uint8)
ALPHA = np.zeros((60, 80), np.uint8)
ALPHA[10:40, 20:70] = 128


def test_a_sprite_is_cropped_premultiplied_and_has_a_clear_rim():
    sprite = make_sprite(RGB, ALPHA)
    assert sprite.size == (52, 32)
    assert (sprite.rgba[1:-1, 1:-1] == (100, 100, 100, 128)).all()
    assert not sprite.rgba[0].any()
    assert not sprite.rgba[:, -1].any()


def test_sprites_are_shrunk_and_never_enlarged():
    sprite = make_sprite(RGB, ALPHA)
    assert fit_sprite(sprite, 26).size == (26, 16)
    assert fit_sprite(sprite, 500) is sprite


def test_flipping_twice_changes_nothing():
    sprite = make_sprite(np.random.default_rng(0).integers(0, 256, RGB.shape, np.uint8), ALPHA)
    assert (flip_sprite(sprite).rgba != sprite.rgba).any()
    assert (flip_sprite(flip_sprite(sprite)).rgba == sprite.rgba).all()


def test_shading_leaves_alpha_and_colours_below_it():
    sprite = make_sprite(RGB, ALPHA)
    shaded = shade_sprite(sprite, np.array(((0.5, 1.5), (0.5, 3.0))))
    assert (shaded.alpha == sprite.alpha).all()
    assert (shaded.rgba[..., :3].max(axis=-1) <= shaded.alpha).all()
    assert shaded.rgba[16, 2, 0] < sprite.rgba[16, 2, 0] < shaded.rgba[16, 48, 0]


def test_whole_objects_and_busts_are_told_apart():
    def one(*cut, box=(0, 0, 80, 80), area=4000):
        return LabelledObject(1, area, box, cut)

    assert is_whole(one(0, 0, 0, 0))
    assert not is_bust(one(0, 0, 0, 0))
    assert is_bust(one(0, 0, 0, 0.9))
    assert not is_whole(one(0, 0, 0, 0.9))
    assert not is_bust(one(0.9, 0, 0, 0.9))
    assert not is_whole(one(0, 0, 0, 0, box=(0, 0, 20, 20), area=400))


def test_a_cut_out_brings_nothing_of_its_background():
    rgb, ids = np.full((60, 80, 3), 255, np.uint8), np.zeros((60, 80), np.uint8)
    rgb[10:50, 20:60], ids[10:50, 20:60] = (200, 0, 0), 5
    photo = Photo(rgb, ids)
    sprite = cut_out(photo, LabelledObject(5, 1600, (20, 10, 60, 50), (0, 0, 0, 0)))
    assert not sprite.rgba[..., 1:3].any()
    assert 0.9 < (sprite.alpha > 127).sum() / 1600 <= 1


def test_feathering_stays_inside():
    mask = np.zeros((30, 30), np.uint8)
    mask[10:20, 10:20] = 255
    soft = feather(mask)
    assert not soft[mask == 0].any()
    assert 0 < soft[10, 15] < 255
    assert soft[15, 15] == 255
    thin = np.zeros((9, 9), np.uint8)
    thin[4] = 255
    assert (feather(thin) == thin).all()
