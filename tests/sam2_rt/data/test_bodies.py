from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2_rt.data.bodies import MAX_MASKLETS, MIN_AREA, BodyMaker, soften_edges
from sam2_rt.data.worlds.library import NoRenderer


@pytest.fixture(scope="module")
def maker() -> BodyMaker:
    try:
        return BodyMaker(64)
    except NoRenderer as missing:
        pytest.skip(f"{missing}")


def test_the_same_seed_gives_the_same_clip_in_any_maker(maker: BodyMaker):
    maker.make(8, 2)
    one, other = maker.make(3, 3), BodyMaker(64).make(3, 3)
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.masklets, other.masklets)
    assert not np.array_equal(one.frames, maker.make(4, 3).frames)


def test_one_to_four_masklets_are_seen_in_the_first_frame(maker: BodyMaker):
    for seed in range(12):
        sample = maker.make(seed, 2)
        assert sample.frames.shape == (2, 64, 64, 3)
        assert 1 <= len(sample.masklets) <= MAX_MASKLETS
        assert (sample.masklets[:, 0].mean(axis=(1, 2)) >= MIN_AREA).all()
        assert sample.ignored is None


def test_parts_lie_inside_their_wholes_and_bodies_beside_each_other(maker: BodyMaker):
    num_parts = 0
    for seed in range(12):
        masklets = maker.make(seed, 3).masklets
        for one, other in combinations(masklets, 2):
            both = one & other
            is_apart = not both.any()
            is_part = np.array_equal(both, one) or np.array_equal(both, other)
            assert is_apart or is_part
            num_parts += is_part and not is_apart
            assert not np.array_equal(one, other)
    assert num_parts >= 5


def test_pictures_are_neither_dark_nor_flat_and_things_move(maker: BodyMaker):
    moved = []
    for seed in range(10):
        sample = maker.make(seed, 4)
        assert 25 < sample.frames.mean() < 235
        assert sample.frames.std() > 8
        first, last = sample.masklets[:, 0], sample.masklets[:, -1]
        moved += ((first & last).sum((1, 2)) / (first | last).sum((1, 2))).tolist()
    assert np.median(moved) < 0.8


def test_objects_differ_from_what_is_around_them(maker: BodyMaker):
    """Of a body's outline, the colours on both sides are rarely the same."""
    steps = []
    for seed in range(10):
        sample = maker.make(seed, 1)
        grey = sample.frames[0].astype(float).mean(axis=-1)
        mask = sample.masklets[0, 0]
        across = mask[:, 1:] != mask[:, :-1]
        jump = np.abs(np.diff(grey, axis=1))
        steps.append(jump[across].mean() / max(jump[~across].mean(), 1))
    assert np.median(steps) > 2


def test_photographs_cover_bodies_and_broken_ones_are_named(maker: BodyMaker, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    other = BodyMaker(64, (tmp_path,))
    assert not np.array_equal(other.make(3, 1).frames, maker.make(3, 1).frames)
    assert [skipped.path.name for skipped in other.skipped] == ["broken.jpg"]
    with pytest.raises(FileNotFoundError, match="missing"):
        BodyMaker(64, (tmp_path / "missing",))


def test_only_edges_are_softened():
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, 4:] = 200
    picture[0, 0] = 200
    segments = (picture[..., 0] > 0).astype(np.int32)
    segments[0, 0] = 0
    soft = soften_edges(picture, segments)
    assert soft[4].max(axis=-1).tolist() == pytest.approx([0, 0, 0, 42, 158, 200, 200, 200], abs=8)
    assert (soft[0, 0] == 200).all()
