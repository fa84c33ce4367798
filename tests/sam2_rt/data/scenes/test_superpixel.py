import cv2
import numpy as np
import pytest

from sam2_rt.data.scenes.superpixel import draw_piece


def test_a_piece_ends_where_the_colours_do():
    rgb = np.full((120, 160, 3), (40, 60, 200), np.uint8)
    rgb[30:80, 50:110] = (220, 180, 30)
    inside = np.zeros((120, 160), bool)
    inside[30:80, 50:110] = True
    for seed in range(10):
        piece = draw_piece(np.random.default_rng(seed), rgb) > 0
        assert piece.any()
        shared = (piece & inside).sum() / piece.sum()
        assert shared < 0.15 or shared > 0.85


@pytest.mark.parametrize("seed", range(5))
def test_a_piece_is_connected_and_of_some_size(seed):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    rgb = cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)
    piece = draw_piece(rng, rgb)
    assert set(np.unique(piece)) <= {0, 255}
    assert 0.002 < (piece > 0).mean() < 0.4
    _, _, stats, _ = cv2.connectedComponentsWithStats(piece)
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])
    assert areas[-1] > 0.9 * areas.sum()
