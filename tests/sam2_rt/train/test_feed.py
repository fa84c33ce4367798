import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.sample import Sample
from sam2_rt.train import feed
from sam2_rt.train.feed import Feed, FeedConfig, FeedError, _pack, _unpack, cut_away, vary
from sam2_rt.train.maker import MAX_BARREN
from squares import SQUARES, NoMaker, SparseMaker


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
        made, expected = _unpack(source._pool[0]), SQUARES.make(7, 3)
    assert np.array_equal(made.frames, expected.frames)
    assert np.array_equal(made.masklets, expected.masklets)
    assert made.masklets.dtype == np.bool_


def test_dead_workers_are_told():
    with (
        Feed(FeedConfig(num_frames=1, first_seed=0), NoMaker()) as source,
        pytest.raises(FeedError, match="worker 0 died with exit code 3"),
    ):
        source.draw(1)


def test_a_worker_goes_on_after_seeds_that_give_nothing_and_counts_them():
    with Feed(FeedConfig(num_frames=1, first_seed=1, reuse=1), SparseMaker(10)) as source:
        source.draw(3)
        assert source.skipped == {Skipped("clip", "cut off"): 9 * source.made}
        assert np.array_equal(_unpack(source._pool[2]).frames, SQUARES.make(30, 1).frames)


def test_a_worker_that_finds_nothing_in_many_seeds_says_why_and_what_it_skipped():
    with (
        Feed(FeedConfig(num_frames=1, first_seed=0), SparseMaker(0)) as source,
        pytest.raises(FeedError, match=r"worker 0 finds nothing .* clip that is cut off"),
    ):
        source.draw(1)
    assert source.skipped == {Skipped("clip", "cut off"): MAX_BARREN}


def test_a_worker_killed_in_the_middle_of_a_sample_is_told():
    config = FeedConfig(num_frames=8, first_seed=0, reuse=1)  # 98 kB: more than a pipe holds
    with Feed(config, SQUARES) as source:
        source.draw(1)
        [worker] = source._workers
        assert worker.pid is not None
        assert source._readers[0].poll(10)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(FeedError, match="worker 0 died with exit code -9"):
            all(source.draw(1) for _ in range(100))


def test_workers_end_with_a_parent_that_was_killed():
    code = (
        "import os, signal\n"
        "from sam2_rt.train.feed import Feed, FeedConfig\n"
        "from squares import SQUARES\n"
        "if __name__ == '__main__':\n"
        "    with Feed(FeedConfig(num_frames=8, first_seed=0), SQUARES) as feed:\n"
        "        feed.draw(1)\n"
        "        print(feed._workers[0].pid, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with TemporaryDirectory() as folder:
        script = Path(folder) / "parent.py"
        script.write_text(code)
        path = os.pathsep.join(["tests", *sys.path])
        out = subprocess.run(
            [sys.executable, script],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    assert out.returncode == -signal.SIGKILL, out.stderr
    worker = Path("/proc") / out.stdout.strip()
    deadline = time.monotonic() + 20
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def is_running(process: Path) -> bool:
    """Whether there is a process of that folder in /proc, other than one that nobody reaped."""
    try:
        return ") Z " not in (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it is gone
        return False


def test_large_samples_are_kept_by_their_size_and_a_batch_always_has_room(
    monkeypatch: pytest.MonkeyPatch,
):
    one = _pack(SQUARES.make(0, 2), 0, ()).num_bytes
    monkeypatch.setattr(feed, "POOL_BYTES", 5 * one)
    with Feed(FeedConfig(num_frames=2, first_seed=0, reuse=1), SQUARES) as source:
        for _ in range(4):
            source.draw(3)
        assert len(source._pool) == 5
        assert source._bytes == 5 * one
        assert len(source.draw(7)) == 7


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


def test_a_clip_that_is_cut_away_from_shows_another_one_and_no_object():
    sample = Sample(
        np.zeros((6, 8, 8, 3), np.uint8),
        np.ones((2, 6, 8, 8), np.bool_),
        np.ones((6, 8, 8), np.bool_),
    )
    shown = np.full((6, 8, 8, 3), 9, np.uint8)
    ends = set()
    for seed in range(40):
        cut = cut_away(sample, shown, np.random.default_rng(seed))
        is_shown = (cut.frames == 9).all(axis=(1, 2, 3))
        assert cut.ignored is not None
        assert is_shown.any()
        assert not is_shown[:2].any()
        assert (is_shown == ~cut.masklets.any(axis=(0, 2, 3))).all()
        assert (is_shown == ~cut.ignored.any(axis=(1, 2))).all()
        ends.add(bool(is_shown[-1]))
    assert ends == {True, False}
    assert sample.masklets.all()


def test_a_clip_of_another_size_is_not_cut_to():
    sample = Sample(np.zeros((6, 8, 8, 3), np.uint8), np.ones((2, 6, 8, 8), np.bool_))
    other = np.zeros((6, 9, 8, 3), np.uint8)
    assert cut_away(sample, other, np.random.default_rng(0)) is sample


def test_a_feed_cuts_away_from_some_clips_if_it_may():
    for cuts in (0.0, 0.2):
        config = FeedConfig(num_frames=6, first_seed=0, pool=8, reuse=20, cuts=cuts)
        with Feed(config, SQUARES) as source:
            drawn = [sample for _ in range(80) for sample in source.draw(4)]
        is_away = [not sample.masklets.any(axis=(0, 2, 3)).all() for sample in drawn]
        assert (sum(is_away) > 0) == (cuts > 0)
        assert sum(is_away) < len(drawn) / 2


def test_only_what_learning_waits_for_counts_as_waiting():
    with Feed(FeedConfig(num_frames=2, first_seed=0, pool=8, reuse=100), SQUARES) as source:
        source.draw(4)
        waited_s = source.waited_s
        assert waited_s > 0  # for the worker to begin
        for _ in range(10):
            source.draw(4)
        assert source.waited_s == waited_s
