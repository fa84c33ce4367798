import numpy as np
import pytest
from numpy.typing import NDArray

from fake_engine import NO_LOGITS
from sam2_rt.engine import TrackMask, TrackState
from sam2_rt.tracking.frame import Frame
from streamer.picture import compose
from streamer.protocol import PALETTE


def grey(height: int, width: int, value: int = 100) -> Frame:
    chroma = ((height + 1) // 2, (width + 1) // 2)
    sizes = ((height, width), chroma, chroma)
    return Frame(7, tuple(np.full(size, value, np.uint8) for size in sizes))


def track(mask: NDArray[np.bool_], track_id: int = 1) -> TrackMask:
    return TrackMask(track_id, TrackState.VISIBLE, 1.0, 1.0, mask, NO_LOGITS)


def block(height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros((height, width), np.bool_)
    mask[10:30, 20:50] = True
    return mask


def test_the_inside_is_tinted_the_rim_is_solid_and_the_rest_untouched():
    painted = compose.overlay(grey(48, 64), [track(block(48, 64))])
    y, u, v = painted.planes
    full_y, full_u, full_v = compose.colour(0)
    assert painted.pts == 7
    assert y[20, 35] == round(100 + 0.45 * (full_y - 100))
    assert (u[10, 17], v[10, 17]) == (
        round(100 + 0.45 * (full_u - 100)),
        round(100 + 0.45 * (full_v - 100)),
    )
    for row in (10, 11, 28, 29):
        assert (y[row, 20:50] == full_y).all()
    for column in (20, 21, 48, 49):
        assert (y[10:30, column] == full_y).all()
    assert (y[12:28, 22:48] != full_y).all()
    assert (u[5, 10:25] == full_u).all()
    assert (y[~block(48, 64)] == 100).all()
    assert (u[~block(48, 64)[::2, ::2]] == 100).all()


def test_the_frame_itself_stays_as_it_came():
    frame = grey(48, 64)
    compose.overlay(frame, [track(block(48, 64))])
    assert all((plane == 100).all() for plane in frame.planes)


def test_without_anything_to_paint_the_frame_passes_through():
    frame = grey(48, 64)
    assert compose.overlay(frame, []) is frame
    assert compose.overlay(frame, [track(np.zeros((48, 64), np.bool_))]) is frame


@pytest.mark.parametrize(("height", "width"), [(47, 63), (1, 1), (2, 3), (5, 4), (48, 64)])
def test_odd_sizes_are_painted_to_their_last_pixel(height: int, width: int):
    painted = compose.overlay(grey(height, width), [track(np.ones((height, width), np.bool_))])
    assert [p.shape for p in painted.planes] == [p.shape for p in grey(height, width).planes]
    assert all((plane != 100).all() for plane in painted.planes)


def test_a_single_pixel_is_seen():
    mask = np.zeros((47, 63), np.bool_)
    mask[46, 62] = True
    painted = compose.overlay(grey(47, 63), [track(mask)])
    assert painted.planes[0][46, 62] == compose.colour(0)[0]
    assert painted.planes[1][23, 31] == compose.colour(0)[1]


def test_tracks_have_their_own_colours_and_the_ninth_begins_again():
    left, right = np.zeros((2, 16, 32), np.bool_)
    left[:, :16] = True
    right[:, 16:] = True
    y = compose.overlay(grey(16, 32), [track(left, 1), track(right, 9)]).planes[0]
    assert y[0, 0] == y[0, 31]
    y = compose.overlay(grey(16, 32), [track(left, 1), track(right, 2)]).planes[0]
    assert y[0, 0] != y[0, 31]


def test_the_colours_are_those_of_the_palette_in_bt_601():
    # Back to RGB by the standard's own inverse.
    for row, wanted in enumerate(PALETTE):
        y, u, v = compose.colour(row)
        luma, blue, red = 1.164383 * (y - 16), u - 128, v - 128
        rgb = (
            luma + 1.596027 * red,
            luma - 0.391762 * blue - 0.812968 * red,
            luma + 2.017232 * blue,
        )
        assert np.abs(np.array(rgb) - wanted).max() <= 3
