import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.picture.matte import Matte, evidence, steadied, working_factor

Planes = tuple[NDArray[np.uint8], ...]
HEIGHT, WIDTH = 180, 320


def scene(
    left: int = 101, height: int = HEIGHT, width: int = WIDTH, noise: float = 0.0
) -> tuple[Planes, NDArray[np.bool_]]:
    """A light object on a dark ground, and where it is: its edges fall between the grid's cells."""
    truth = np.zeros((height, width), np.bool_)
    truth[height // 4 : -height // 4, left : left + 97] = True
    random = np.random.default_rng(left)
    luma = np.where(truth, 190.0, 60.0) + noise * random.normal(size=truth.shape)
    half = truth[::2, ::2]
    chroma = np.where(half, 150, 110).astype(np.uint8)
    return (luma.clip(0, 255).astype(np.uint8), chroma, chroma), truth


def coarse(truth: NDArray[np.bool_], side: int = 16) -> NDArray[np.float32]:
    """Logits of +-6 on a grid, hard: which cells have their middle on the object."""
    rows, columns = (
        ((np.arange(side) + 0.5) * length / side).astype(int) for length in truth.shape
    )
    return np.where(truth[np.ix_(rows, columns)], np.float32(6), np.float32(-6))


def wrong(alpha: NDArray[np.uint8], truth: NDArray[np.bool_]) -> int:
    return int(((alpha >= 128) != truth).sum())


def test_the_edge_is_the_picture_s_and_not_the_grid_s():
    planes, truth = scene()
    alpha = Matte().soft([coarse(truth)], planes)
    grey = tuple(np.full_like(plane, 128) for plane in planes)
    blind = Matte().soft([coarse(truth)], grey)
    assert alpha.shape == truth.shape
    assert wrong(alpha, truth) < 0.5 * wrong(blind, truth)
    assert wrong(blind, truth) < 0.05 * truth.size, "without colours it is the mask, enlarged"


def test_far_from_edges_colours_say_nothing():
    planes, truth = scene()
    planes[0][80:86, 140:150] = 60  # a dark spot on the object
    alpha = Matte().soft([coarse(truth)], planes)
    assert alpha[70:100, 135:160].min() == 255
    assert alpha[:20].max() == 0


@pytest.mark.parametrize(("height", "width"), [(36, 64), (37, 61), (90, 160), (2, 2), (359, 641)])
def test_any_size_of_frame_gets_an_alpha_of_that_size(height: int, width: int):
    y = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    half = y[::2, ::2]
    logits = np.full((64, 64), 9, np.float32)
    for alpha in (
        Matte().soft([logits, -logits], (y, half, half)),
        Matte().cover([logits], (y, half, half)),
    ):
        assert (alpha.shape, alpha.dtype) == ((height, width), np.uint8)
        assert (alpha == 255).all()


def test_a_mask_that_trembles_on_a_still_picture_is_held_still():
    planes, truth = scene(noise=2.0)
    random = np.random.default_rng(1)
    steady = Matte()
    changes = {"held": [], "free": []}
    before = {}
    for _ in range(8):
        logits = coarse(truth) / 6 + random.normal(size=(16, 16)).astype(np.float32) / 2
        now = {"held": steady.soft([logits], planes), "free": Matte().soft([logits], planes)}
        for name, alpha in now.items():
            if before:
                changes[name].append(np.abs(alpha.astype(int) - before[name]).mean())
        before = now
    assert np.mean(changes["held"]) < 0.6 * np.mean(changes["free"])


def test_an_object_that_moves_leaves_nothing_behind():
    matte = Matte()
    for left in range(41, 141, 20):
        planes, truth = scene(left)
        alpha = matte.soft([coarse(truth)], planes)
    alone = Matte().soft([coarse(truth)], planes)
    assert wrong(alpha, truth) <= wrong(alone, truth) + 20
    assert alpha[:, 60:110].max() < 30, "where it was before"


def test_a_click_that_changes_the_mask_is_seen_at_once():
    planes, truth = scene()
    matte = Matte()
    matte.soft([-np.abs(coarse(truth))], planes)
    assert wrong(matte.soft([coarse(truth)], planes), truth) <= 1.1 * wrong(
        Matte().soft([coarse(truth)], planes), truth
    )


def test_a_new_size_begins_anew():
    matte = Matte()
    for size in ((180, 320), (90, 160), (180, 320)):
        planes, truth = scene(40, *size)
        alpha = matte.soft([coarse(truth)], planes)
        cover = matte.cover([coarse(truth)], planes)
        assert alpha.shape == cover.shape == size


def test_a_cover_is_wider_than_the_object_and_opaque():
    planes, truth = scene()
    cover = Matte().cover([coarse(truth, 64)], planes)
    assert (cover[truth] == 255).all()
    assert (cover[:, 97:101][truth.any(axis=1)] == 255).all(), "four pixels beside it too"
    assert (cover[:, :60] == 0).all()


def test_a_cover_outlives_a_mask_that_fails_and_then_fades():
    planes, truth = scene()
    matte = Matte()
    matte.cover([coarse(truth)], planes)
    nothing = np.full((16, 16), -10, np.float32)
    later = [int(matte.cover([nothing], planes)[90, 150]) for _ in range(10)]
    assert later[:3] == [255, 255, 255]
    assert later[-1] == 0
    assert later == sorted(later, reverse=True)


def test_the_working_picture_is_even_and_bounded():
    y = np.zeros((2160, 3840), np.uint8)
    factor = working_factor((y,), 256)
    assert factor == 12
    assert working_factor((np.zeros((360, 640), np.uint8),), 64) == 4
    assert working_factor((np.zeros((9, 9), np.uint8),), 64) == 2


def test_colours_speak_for_the_side_that_has_them():
    random = np.random.default_rng(0)
    sureness = np.zeros((20, 20), np.float32)
    sureness[:, 10:] = 1
    picture = np.where(sureness > 0.5, 0.8, 0.2) + 0.02 * random.random((3, 20, 20))
    slopes, offset = evidence(sureness, picture.astype(np.float32), 3, 6.0)
    assert slopes.dtype == offset.dtype == np.float32
    said = (slopes * picture).sum(axis=0) + offset
    assert (said[:, 10:12] > 2).all()
    assert (said[:, 8:10] < -2).all()
    assert np.abs(said[:, :3]).max() < 0.5


def test_steadying_takes_the_share_of_the_frame_before_where_all_stood_still():
    picture = np.zeros((3, 8, 8), np.float32)
    now, before = np.full((8, 8), 0.6, np.float32), np.full((8, 8), 0.5, np.float32)
    held = steadied(now, picture, before, picture)
    assert held == pytest.approx(0.6 - 0.1 * 0.7 * np.exp(-0.04), abs=1e-4)
    assert steadied(now, picture, before, picture + 1) == pytest.approx(0.6)
