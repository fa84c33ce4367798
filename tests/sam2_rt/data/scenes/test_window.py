import numpy as np
import pytest

from sam2_rt.data.scenes.compose import draw_frame, mask_of
from sam2_rt.data.scenes.degrade import Flaws
from sam2_rt.data.scenes.motion import Tempo
from sam2_rt.data.scenes.photos import LabelledObject, Photo
from sam2_rt.data.scenes.scene import Format, Look, Scene, make_scene
from sam2_rt.data.scenes.window import draw_window

FORM = Format(8, 96, 1.0)
BOX = (200, 120, 250, 180)


def photo() -> Photo:
    rgb, ids = np.full((300, 420, 3), 90, np.uint8), np.zeros((300, 420), np.uint8)
    x0, y0, x1, y1 = BOX
    rgb[y0:y1, x0:x1], ids[y0:y1, x0:x1] = (250, 20, 20), 4
    return Photo(rgb, ids, (LabelledObject(4, 3000, BOX, (0, 0, 0, 0)),))


def scene(seed: int, tempo: Tempo) -> Scene:
    picture = photo()
    window = draw_window(np.random.default_rng(seed), picture, FORM, tempo)
    return make_scene(FORM, window.backdrop(picture), (4,), (), Look(Flaws()))


@pytest.mark.parametrize("seed", range(8))
def test_a_window_shows_the_object_and_little_beyond_the_photograph(seed):
    shown = scene(seed, Tempo(0.002, 0.1, 0.0))
    for index in (0, 7):
        frame, owners = draw_frame(shown, index)
        mask = mask_of(owners, shown.things[0])
        red = (frame[..., 0] > 170) & (frame[..., 1] < 56)
        assert 0.01 < mask.mean() < 0.9
        assert (mask & ~red).sum() + (red & ~mask & (owners != 255)).sum() < 0.06 * mask.sum() + 20
        assert (owners == 255).mean() < 0.1


def test_a_window_that_leaves_moves_off_the_object():
    left = 0
    for seed in range(12):
        shown = scene(seed, Tempo(0.02, 0.1, 1.0))
        masks = [mask_of(draw_frame(shown, index)[1], shown.things[0]) for index in (0, 7)]
        left += (masks[0] & masks[1]).sum() < 0.1 * masks[0].sum()
    assert left >= 9


def test_a_still_window_rests():
    window = draw_window(np.random.default_rng(0), photo(), Format(1, 96, 1.0), Tempo(0.1, 0.1, 0))
    assert window.camera.place.shape == (1, 2)
