import numpy as np
import pytest

from sam2_rt.data.scenery import HORIZON, PAN, make_scenery

SIZE = (320, 180)


@pytest.fixture
def scenery():
    return make_scenery(np.random.default_rng(0), SIZE)


def test_pictures_are_wide_enough_for_the_camera_s_swing(scenery):
    assert scenery.sky.width >= SIZE[0] + 2 * PAN * SIZE[1] + 1
    assert scenery.meadow.width == scenery.sky.width
    assert scenery.sky.height == SIZE[1]


def test_the_meadow_reaches_from_its_grass_at_the_horizon_to_the_frame_s_foot(scenery):
    alpha = np.array(scenery.meadow.getchannel("A"))
    assert alpha.shape[0] >= (1 - HORIZON) * SIZE[1]
    assert (alpha[0] == 0).any()
    assert (alpha[-1] == 255).all()


def test_the_stone_is_solid_within_and_open_at_its_corners(scenery):
    alpha = np.array(scenery.stone.getchannel("A"))
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] == 255
    assert alpha[0, 0] == alpha[0, -1] == 0
