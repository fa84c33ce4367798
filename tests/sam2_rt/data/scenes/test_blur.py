import numpy as np
import pytest

from sam2_rt.data.scenes.affine import move
from sam2_rt.data.scenes.blur import MAX_SMEAR, smear, smear_of


def test_a_smear_is_a_share_of_the_way_to_the_neighbours():
    course = move(((0, 0), (8, 0), (16, 4)))
    assert smear_of(course, 0, 0.5) == (4, 0)
    assert smear_of(course, 1, 0.5) == (4, 1)
    assert smear_of(course, 1, 0.0) == (0, 0)
    assert smear_of(course[:1], 0, 0.5) == (0, 0)


def test_a_smear_is_bounded():
    assert np.hypot(*smear_of(move(((0, 0), (300, 400))), 0, 0.5)) == pytest.approx(MAX_SMEAR)


def test_smearing_spreads_along_the_way_and_keeps_the_light():
    dot = np.zeros((41, 41), np.uint8)
    dot[18:23, 18:23] = 200
    spread = smear(dot, (8.0, 0.0))
    assert spread.any(axis=0).sum() > 5 + 6
    assert spread.any(axis=1).sum() <= 5 + 2
    assert abs(spread.sum() / dot.sum() - 1) < 0.05
    middle = (spread.sum(axis=0) * np.arange(41)).sum() / spread.sum()
    assert abs(middle - 20) < 0.3


def test_short_smears_change_nothing():
    picture = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    assert smear(picture, (1.0, 0.5)) is picture
