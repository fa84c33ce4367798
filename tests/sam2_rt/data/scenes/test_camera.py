import numpy as np
import pytest

from sam2_rt.data.scenes.camera import Camera, draw_aspect, draw_camera

WIDE = Camera(256, 16 / 9, np.array(((0, 0), (0.1, 0.0))), np.array((1.0, 2.0)), np.zeros(2))


def test_the_middle_of_the_world_is_in_the_middle_at_first():
    for nearness in (1.0, 1.5):
        assert np.allclose(WIDE.matrices(nearness)[0] @ (0, 0, 1), (128, 128, 1))


def test_a_wide_view_is_squeezed_into_the_square():
    across = WIDE.matrices()[0] @ (0.1, 0, 1) - WIDE.matrices()[0] @ (0, 0, 1)
    down = WIDE.matrices()[0] @ (0, 0.1, 1) - WIDE.matrices()[0] @ (0, 0, 1)
    assert np.isclose(down[1] / across[0], 16 / 9)
    assert np.isclose(down[1] * across[0], 25.6**2)


def test_what_is_near_moves_more():
    pan = Camera(256, 1.0, WIDE.place, np.ones(2), np.zeros(2))
    far, near = (pan.matrices(nearness)[1] @ (0, 0, 1) for nearness in (1.0, 1.5))
    assert np.isclose(128 - near[0], 1.5 * (128 - far[0]))
    assert far[0] < 128


def test_the_seen_world_holds_every_view():
    x0, y0, x1, y1 = WIDE.seen_world()
    assert (x0, y0) == (pytest.approx(-2 / 3), pytest.approx(-3 / 8))
    assert (x1, y1) == (pytest.approx(2 / 3), pytest.approx(3 / 8))


def test_some_cameras_stand_still_and_some_move_far():
    cameras = [draw_camera(np.random.default_rng(s), 8, 256, 0.05) for s in range(60)]
    reach = [np.abs(camera.place).max() for camera in cameras]
    assert sum(r == 0 for r in reach) >= 5
    assert sum(r > 0.15 for r in reach) >= 10
    assert all((camera.place[0] == 0).all() and camera.zoom[0] == 1 for camera in cameras)


def test_aspects_are_those_of_cameras():
    aspects = [draw_aspect(np.random.default_rng(s)) for s in range(200)]
    assert {round(a, 2) for a in aspects} == {1.0, 1.33, 1.5, 1.78, 0.75, 0.67, 0.56}
