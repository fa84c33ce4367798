import math

import numpy as np

from sam2_rt.data.scenes.affine import corners, move, scale, turn


def test_maps_are_applied_from_right_to_left():
    point = np.array((1.0, 0.0, 1.0))
    mapped = move((10, 0)) @ turn(math.pi / 2) @ scale(2, 3) @ point
    assert np.allclose(mapped, ((10, 2, 1),))


def test_maps_may_change_over_time():
    assert move(np.zeros((4, 2))).shape == (4, 3, 3)
    assert np.allclose(scale((1, 2)) @ corners(3, 4)[:, 2], ((3, 4, 1), (6, 8, 1)))
    assert (turn(np.zeros(4)) == np.eye(3)).all()
