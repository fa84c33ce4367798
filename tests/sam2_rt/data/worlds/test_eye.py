import math
from dataclasses import replace

import numpy as np
import pytest

from sam2_rt.data.worlds.eye import LOWEST, Path, Shot, draw_shot, film

STILL = Shot(distance=3.0, azimuth=0.5, elevation=0.4, tangent=0.5)
SUBJECT = np.tile((0.3, -0.2, 0.5), (9, 1))


def seen_at(path: Path, index: int, point: np.ndarray) -> np.ndarray:
    """Right and up of the frame's middle; 1 is the frame's edge."""
    right, up, back = path.axes[index].T @ (point - path.places[index])
    assert back < 0, "it is behind the camera"
    return np.array((right, up)) / -back / path.tangent


def test_axes_are_right_angled_and_right_handed():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        path = film(rng, draw_shot(rng, 0.4), SUBJECT, 0.1)
        for axes in path.axes:
            np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)
            assert np.linalg.det(axes) == pytest.approx(1)


def test_the_subject_starts_in_the_frame_or_at_its_edge():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        path = film(rng, draw_shot(rng, 0.4), SUBJECT, 0.1)
        assert np.abs(seen_at(path, 0, SUBJECT[0])).max() < 1.5


def test_a_camera_that_would_be_under_the_ground_is_lifted():
    path = film(np.random.default_rng(0), replace(STILL, elevation=-0.5), SUBJECT, 0.1)
    assert (path.places[:, 2] == LOWEST).all()


def test_a_still_camera_is_still():
    path = film(np.random.default_rng(0), STILL, SUBJECT, 0.1)
    assert np.ptp(path.places, axis=0).max() == 0
    assert np.ptp(path.axes, axis=0).max() == 0


def test_a_swing_takes_the_subject_out_of_the_frame_and_back():
    shot = replace(STILL, swing=1.5 * math.atan(STILL.tangent))
    path = film(np.random.default_rng(0), shot, SUBJECT, 0.1)
    first, middle, last = (seen_at(path, index, SUBJECT[0]) for index in (0, 4, 8))
    np.testing.assert_allclose(first, last, atol=1e-6)
    assert abs(middle[0]) > 1


def test_a_camera_that_follows_keeps_its_subject():
    moving = SUBJECT + np.linspace(0, 3, 9)[:, None] * (0, 1, 0)
    still = film(np.random.default_rng(0), STILL, moving, 0.1)
    follows = film(np.random.default_rng(0), replace(STILL, follows=True), moving, 0.1)
    lost = np.abs(seen_at(still, 8, moving[8]) - seen_at(still, 0, moving[0])).max()
    kept = np.abs(seen_at(follows, 8, moving[8]) - seen_at(follows, 0, moving[0])).max()
    assert kept < 0.3
    assert lost > 1


def test_an_orbit_and_a_dolly_go_by_the_clock():
    shot = replace(STILL, orbit=0.5, dolly=-0.2)
    slow, fast = (film(np.random.default_rng(0), shot, SUBJECT, s) for s in (0.01, 0.1))
    np.testing.assert_allclose(slow.places[0], fast.places[0])
    moved = [np.linalg.norm(path.places[-1] - path.places[0]) for path in (slow, fast)]
    assert moved[1] > 5 * moved[0] > 0
