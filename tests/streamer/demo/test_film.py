from pathlib import Path

import av
import numpy as np
import pytest

from sam2_rt import rle
from streamer.demo.film import Film, paint, to_labels
from streamer.demo.stream import GridMask
from streamer.protocol import PALETTE


def grid_mask(track_id: int, cells: np.ndarray) -> GridMask:
    return GridMask(track_id, "visible", rle.encode(cells), *cells.shape)


def left_half(height: int, width: int) -> np.ndarray:
    cells = np.zeros((height, width), np.bool_)
    cells[:, : width // 2] = True
    return cells


def test_masks_grow_from_the_grid_to_the_clip():
    labels = to_labels((grid_mask(3, left_half(9, 16)),), 160, 90)
    assert labels.shape == (90, 160)
    assert (labels[:, :79] == 3).all()
    assert (labels[:, 81:] == 0).all()


def test_where_tracks_overlap_the_lowest_id_has_it():
    everything = np.ones((9, 16), np.bool_)
    labels = to_labels((grid_mask(1, left_half(9, 16)), grid_mask(2, everything)), 160, 90)
    assert (labels[:, 0] == 1).all()
    assert (labels[:, -1] == 2).all()


def test_a_track_is_tinted_and_its_outline_is_firm():
    rgb = np.full((40, 80, 3), 128, np.uint8)
    labels = np.zeros((40, 80), np.uint8)
    labels[:, :40] = 2
    painted = paint(rgb, labels)
    assert (painted[20, 39] == PALETTE[1]).all()
    tint = painted[20, 10].astype(int)
    assert tint[0] > 128 > tint[2]
    assert not (tint == PALETTE[1]).any()
    assert (painted[:, 40:] == rgb[:, 40:]).all()


def test_the_border_of_the_frame_is_no_outline():
    painted = paint(np.full((40, 80, 3), 128, np.uint8), np.full((40, 80), 1, np.uint8))
    assert (painted == painted[20, 40]).all()


@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_a_film_of_any_size_can_be_played(tmp_path: Path, size: tuple[int, int]):
    with Film(tmp_path / "film.mp4", size, 29.97) as film:
        for level in range(5):
            film.write(np.full((size[1], size[0], 3), 50 * level, np.uint8))
    with av.open(str(tmp_path / "film.mp4")) as played:
        frames = list(played.decode(video=0))
    assert len(frames) == 5
    assert (frames[0].width, frames[0].height) == (64, 48)
