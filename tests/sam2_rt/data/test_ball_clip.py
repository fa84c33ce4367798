from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from sam2_rt.data.ball_clip import BALL_ID, BALLOON_ID, make_clip

SMALL = (160, 90)
SEEDS = range(6)


def areas(seed: int, track_id: int) -> list[int]:
    return [int((frame.labels == track_id).sum()) for frame in make_clip(seed, size=SMALL)]


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """By two pixels: a smooth edge spreads over one, and over two where outlines meet."""
    return (
        np.array(Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(5))) > 0
    )


def test_a_clip_says_what_it_holds():
    clip = make_clip(num_frames=3)
    frames = list(clip)
    assert (clip.size, clip.num_frames, len(frames)) == ((640, 360), 3, 3)
    assert [(f.index, f.name) for f in frames] == [(0, "00000"), (1, "00001"), (2, "00002")]
    for frame in frames:
        assert (frame.rgb.shape, frame.rgb.dtype) == ((360, 640, 3), np.uint8)
        assert (frame.labels.shape, frame.labels.dtype) == ((360, 640), np.uint8)


def test_the_seed_decides_the_clip():
    first, again, other = (list(make_clip(seed, 2, SMALL)) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.rgb, two.rgb)
        np.testing.assert_array_equal(one.labels, two.labels)
    assert (first[0].rgb != other[0].rgb).mean() > 0.5


def test_a_second_iteration_draws_the_same():
    clip = make_clip(0, 2, SMALL)
    for one, two in zip(clip, clip, strict=True):
        np.testing.assert_array_equal(one.rgb, two.rgb)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ball_is_seen_then_hidden_then_seen_again(seed: int):
    ball = areas(seed, BALL_ID)
    hidden = [index for index, area in enumerate(ball) if area == 0]
    assert ball[0] > 300
    assert len(hidden) >= 4
    assert hidden == list(range(hidden[0], hidden[-1] + 1))
    assert ball[-1] > 300


@pytest.mark.parametrize("seed", SEEDS)
def test_the_balloon_is_always_seen(seed: int):
    assert min(areas(seed, BALLOON_ID)) > 200


@pytest.mark.parametrize("index", [0, 20, 45])
def test_labels_are_the_pixels_that_take_an_object_s_colour(index: int):
    clip = make_clip(0, index + 1)
    for track_id, field in ((BALL_ID, "ball_stripes"), (BALLOON_ID, "balloon_stripes")):
        white, black = (list(replace(clip, **{field: ((level,) * 3,)}))[-1] for level in (255, 0))
        takes_colour = (white.rgb != black.rgb).any(axis=2)
        label = white.labels == track_id
        assert not (takes_colour & ~grown(label)).any()
        assert (takes_colour & label).sum() > 0.85 * label.sum()


def test_motion_is_smooth():
    frames = list(make_clip(0, 12))
    middles = np.array([np.argwhere(f.labels == BALLOON_ID).mean(axis=0) for f in frames])
    steps_px = np.abs(np.diff(middles, axis=0))
    assert steps_px.max() < 6
    assert np.abs(np.diff(steps_px, axis=0)).max() < 1.5


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (1280, 720), (90, 160)])
def test_any_size_can_be_drawn(size: tuple[int, int]):
    (frame,) = make_clip(1, 1, size)
    assert frame.rgb.shape == (size[1], size[0], 3)
    assert {1, 2} <= set(np.unique(frame.labels).tolist())
