import multiprocessing

import numpy as np
import pytest

from sam2_rt.data.sample import Sample
from sam2_rt.train import feed
from sam2_rt.train.feed import Feed, FeedConfig, FeedError, vary
from squares import SQUARES, NoMaker


def test_batches_come_from_workers_and_samples_are_used_as_often_as_asked():
    config = FeedConfig(num_frames=2, first_seed=5, workers=1, pool=16, reuse=3)
    with Feed(config, SQUARES) as source:
        for _ in range(10):
            batch = source.draw(4)
            assert len(batch) == 4
            assert all(sample.frames.shape == (2, 64, 64, 3) for sample in batch)
        assert source.made >= 40 / 3
        assert len(source._pool) <= 16
    assert not multiprocessing.active_children()


def test_what_comes_out_of_a_worker_is_what_was_made():
    with Feed(FeedConfig(num_frames=3, first_seed=7), SQUARES) as source:
        source.draw(1)
        made, expected = source._pool[0], SQUARES.make(7, 3)
    assert np.array_equal(made.frames, expected.frames)
    assert np.array_equal(made.masklets, expected.masklets)
    assert made.masklets.dtype == np.bool_


def test_dead_workers_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed, "PATIENCE_S", 15.0)
    with (
        Feed(FeedConfig(num_frames=1, first_seed=0), NoMaker()) as source,
        pytest.raises(FeedError, match="no sample in 15 s; 0 of 1 workers live"),
    ):
        source.draw(1)


def varied(sample: Sample, count: int = 40) -> list[Sample]:
    return [vary(sample, np.random.default_rng(seed)) for seed in range(count)]


def test_masks_go_where_their_pixels_go():
    sample = SQUARES.make(1, 3)
    for each in varied(sample):
        inside = each.frames[each.masklets[0]].reshape(-1, 3).astype(int)
        outside = each.frames[~each.masklets[0]].reshape(-1, 3).astype(int)
        assert inside[:, 0].min() > outside[:, 0].max()


def test_half_are_mirrored_and_half_are_played_backwards():
    sample = SQUARES.make(1, 3)
    left = int(sample.masklets[0, 0].any(axis=0).argmax())
    starts = [int(each.masklets[0, 0].any(axis=0).argmax()) for each in varied(sample)]
    counts = [starts.count(x) for x in (left, left + 2, 44 - left, 42 - left)]
    assert sum(counts) == 40
    assert min(counts) >= 4


def test_a_clip_whose_object_leaves_is_not_played_backwards():
    sample = SQUARES.make(1, 3)
    masklets = sample.masklets.copy()
    masklets[0, 2] = False
    for each in varied(Sample(sample.frames, masklets)):
        assert each.masklets[0, 0].any()
        assert not each.masklets[0, 2].any()


def test_what_is_ignored_is_turned_too():
    sample = SQUARES.make(1, 2)
    each = vary(
        Sample(sample.frames, sample.masklets, sample.masklets[0]), np.random.default_rng(3)
    )
    assert each.ignored is not None
    assert np.array_equal(each.ignored, each.masklets[0])
