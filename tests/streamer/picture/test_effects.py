import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.picture import effects

Plane = NDArray[np.uint8]
SIZES = [(48, 64), (47, 63), (360, 640), (1, 1), (3, 2), (100, 7)]


def planes(height: int, width: int, seed: int = 0) -> tuple[Plane, ...]:
    random = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    return tuple(random.integers(16, 236, s, np.uint8) for s in ((height, width), half, half))


def flat(height: int, width: int, *values: int) -> tuple[Plane, ...]:
    half = ((height + 1) // 2, (width + 1) // 2)
    sizes = ((height, width), half, half)
    return tuple(np.full(s, value, np.uint8) for s, value in zip(sizes, values, strict=True))


def test_blending_is_rounded_exactly_for_all_bytes():
    over, alpha = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    for under in (0, 7, 128, 255):
        wanted = np.rint((over * 1.0 * alpha + under * (255.0 - alpha)) / 255)
        assert np.array_equal(effects.blend(over, under, alpha), wanted)
        assert np.array_equal(effects.blend(over, np.full_like(over, under), alpha), wanted)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_effect_keeps_the_sizes_of_the_planes(height: int, width: int):
    picture = planes(height, width)
    alpha = np.zeros((height, width), np.uint8)
    alpha[height // 3 :, width // 3 :] = 255
    shapes = [p.shape for p in picture]
    for strength in (0.0, 0.5, 1.0):
        for made in (
            effects.blur_background(picture, alpha, strength),
            effects.blur_all(picture, strength),
            effects.pixelate(picture, strength),
            effects.dim(picture, strength),
            effects.mix(picture, effects.BLACK, alpha),
        ):
            assert [p.shape for p in made] == shapes
            assert all(p.dtype == np.uint8 for p in made)
    assert effects.spread(alpha).shape == (height, width)


def test_a_flat_picture_is_blurred_and_pixelated_to_itself():
    picture = flat(50, 70, 90, 60, 200)
    alpha = np.zeros((50, 70), np.uint8)
    alpha[20:40, 20:40] = 255
    for made in (
        effects.blur_background(picture, alpha, 0.5),
        effects.blur_all(picture, 1.0),
        effects.pixelate(picture, 0.3),
    ):
        assert all(np.array_equal(a, b) for a, b in zip(made, picture, strict=True))


def test_the_blurred_background_takes_nothing_of_the_object():
    y, u, v = flat(360, 640, 60, 128, 128)
    alpha = np.zeros((360, 640), np.uint8)
    alpha[100:260, 200:440] = 255
    y[alpha > 0] = 235
    around = effects.blur_background((y, u, v), alpha, 1.0)[0][alpha == 0]
    assert around.max() <= 62, "the bright object must not glow"
    plain = effects.blur_all((y, u, v), 1.0)[0][alpha == 0]
    assert plain.max() > 120


def test_more_strength_leaves_less_of_the_picture():
    luma = np.kron(planes(30, 54)[0], np.ones((12, 12), np.uint8))[:, :640]
    picture = (luma, *planes(360, 640)[1:])
    alpha = np.zeros((360, 640), np.uint8)
    for effect in (
        lambda strength: effects.blur_background(picture, alpha, strength),
        lambda strength: effects.blur_all(picture, strength),
        lambda strength: effects.pixelate(picture, strength),
        lambda strength: effects.dim(picture, strength),
    ):
        left = [effect(strength)[0].astype(float).std() for strength in (0.0, 0.5, 1.0)]
        assert picture[0].std() > left[0] > left[1] > left[2]


def test_a_mosaic_has_blocks_of_one_colour():
    y, u, v = effects.pixelate(planes(360, 640), 0.0)
    side = 14  # 640 / 48, even
    assert len(np.unique(y[:side, :side])) == 1
    assert y[0, side - 1] != y[0, side]
    assert len(np.unique(u[: side // 2, : side // 2])) == 1
    assert len(np.unique(v[: side // 2, : side // 2])) == 1


def test_dimming_takes_light_and_colour_but_no_black():
    y, u, v = effects.dim(flat(4, 4, 235, 200, 60), 0.0)
    assert (y[0, 0], u[0, 0], v[0, 0]) == (158, 164, 94)
    y, u, v = effects.dim(flat(4, 4, 16, 128, 128), 1.0)
    assert (y[0, 0], u[0, 0], v[0, 0]) == (16, 128, 128)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63)])
def test_the_alpha_stands_beside_the_picture(height: int, width: int):
    picture = planes(height, width)
    alpha = np.zeros((height, width), np.uint8)
    alpha[10:20, 10:20] = 255
    y, u, v = effects.beside(picture, alpha)
    half = width // 2 * 2
    assert y.shape == (height, 2 * half)
    assert u.shape == v.shape == ((height + 1) // 2, half)
    assert np.array_equal(y[:, :half], picture[0][:, :half])
    assert (y[10:20, half + 10 : half + 20] == 235).all()
    assert (y[30:, half:] == 16).all()
    assert (u[:, half // 2 :] == 128).all()


def test_an_alpha_spreads_by_eight_pixels_and_not_much_further():
    alpha = np.zeros((80, 80), np.uint8)
    alpha[40, 40] = 255
    grown = effects.spread(alpha)
    assert grown[32:49, 32:49].min() == 255
    assert grown[:24].max() == grown[58:].max() == 0


def test_the_box_filter_is_the_mean_of_the_square_around_each_place():
    values = np.random.default_rng(0).random((2, 9, 11)).astype(np.float32)
    padded = np.pad(values, ((0, 0), (2, 2), (2, 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    assert np.abs(effects.box_filter(values, 2) - windows.mean(axis=(3, 4))).max() < 1e-5
