import cv2
import numpy as np

from sam2_rt.data.scenes.resample import Resampler, draw_bend

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
STILL = np.zeros((24, 24, 2), np.float32)


def test_the_identity_cuts_out_the_window():
    cut = Resampler(np.eye(3), (5, 8, 25, 30)).colours(PICTURE, cv2.BORDER_CONSTANT)
    assert (cut == PICTURE[8:30, 5:25]).all()


def test_a_bend_of_nothing_changes_nothing():
    matrix = np.array(((1.2, 0.1, 3), (-0.1, 1.2, 4), (0, 0, 1)))
    window = (0, 0, 60, 40)
    straight = Resampler(matrix, window).colours(PICTURE, cv2.BORDER_CONSTANT)
    bent = Resampler(matrix, window, STILL).colours(PICTURE, cv2.BORDER_CONSTANT)
    assert np.abs(straight.astype(int) - bent).mean() < 1.5


def test_ids_bring_no_values_of_their_own():
    ids = np.where(PICTURE[..., 0] > 127, np.uint8(9), np.uint8(0))
    matrix = np.array(((1.7, 0.4, -9), (-0.4, 1.7, 4), (0, 0, 1)))
    for grid in (None, draw_bend(np.random.default_rng(0), 1, 5, 1).grids[0]):
        found = Resampler(matrix, (0, 0, 80, 80), grid).ids(ids, outside=255)
        assert set(np.unique(found)) == {0, 9, 255}


def test_a_bend_stays_within_its_reach_and_is_smooth():
    bend = draw_bend(np.random.default_rng(3), 8, 4.0, 0.7)
    assert bend.grids.shape == (8, 24, 24, 2)
    assert 1.0 < np.abs(bend.grids).max() < 6.0
    assert np.abs(np.diff(bend.grids, axis=1)).max() < 3.0
    assert np.abs(np.diff(bend.grids, axis=0)).max() > 0.5
