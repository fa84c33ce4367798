from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sam2_rt.data import mixture as mixture_module
from sam2_rt.data.folders import open_dataset
from sam2_rt.data.labelled_video import Dataset, Skipped
from sam2_rt.data.mixture import (
    MAX_REASONS,
    MAX_TRIES,
    OTHER,
    RESERVED_SEEDS,
    Mixture,
    Source,
    body_source,
    scene_source,
    video_source,
)
from sam2_rt.data.sample import NothingUsable, Sample
from sam2_rt.data.synthetic import SceneConfig
from sam2_rt.data.worlds.library import NoRenderer
from tiny_datasets import write_sav, write_shared


def flat(level: int) -> Source:
    """Frames of one level and of the seed."""

    def make(seed: int, num_frames: int) -> Sample:
        frames = np.full((num_frames, 4, 4, 3), level, np.uint8)
        frames[..., 1] = seed % 256
        return Sample(frames, np.ones((1, num_frames, 4, 4), np.bool_))

    return Source(f"flat {level}", 1 + level, make)


def broken(weight: float = 1.0) -> Source:
    return Source("broken", weight, lambda seed, _: Skipped(f"video {seed % 2}", "cut off"))


def level(sample: Sample) -> int:
    return int(sample.frames[0, 0, 0, 0])


def test_sources_come_as_often_as_they_weigh():
    mixture = Mixture([flat(0), flat(3)])
    counts = Counter(level(mixture.make(seed, 1)) for seed in range(400))
    assert counts[3] / 400 == pytest.approx(0.8, abs=0.06)


def test_a_seed_gives_the_same_sample_whatever_came_before():
    one, other = Mixture([flat(0), flat(3), broken()]), Mixture([flat(0), flat(3), broken()])
    forwards = [one.make(seed, 2).frames for seed in range(20)]
    backwards = [other.make(seed, 2).frames for seed in reversed(range(20))][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    assert len({int(frames[0, 0, 0, 1]) for frames in forwards}) > 10


def test_what_is_skipped_is_counted_by_reason_and_made_good():
    mixture = Mixture([flat(0), broken()])
    assert all(level(mixture.make(seed, 1)) == 0 for seed in range(60))
    found = dict(mixture.skipped)
    assert set(found) == {Skipped(f"broken: video {i}", "cut off") for i in (0, 1)}
    assert 30 < sum(found.values()) < 120


def test_reasons_are_bounded_and_the_rest_is_counted_together():
    names = iter(range(10**6))
    endless = Source("endless", 4.0, lambda *_: Skipped(f"{next(names)}", "broken"))
    mixture = Mixture([endless, flat(0)])
    for seed in range(120):
        mixture.make(seed, 1)
    found = dict(mixture.skipped)
    assert len(found) == MAX_REASONS + 1
    assert sum(found.values()) == next(names)
    assert found[OTHER] == max(found.values()) > 1


def test_sources_that_only_skip_end_in_a_named_error():
    mixture = Mixture([broken()])
    with pytest.raises(NothingUsable, match=rf"{MAX_TRIES} samples of seed 7 .* cut off"):
        mixture.make(7, 1)
    assert sum(count for _, count in mixture.skipped) == MAX_TRIES


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_means_nothing_is_refused(weight: float):
    with pytest.raises(ValueError, match="source broken has weight"):
        broken(weight)
    with pytest.raises(ValueError, match="no sources"):
        Mixture([])


def test_made_and_recorded_clips_come_from_one_stream(tmp_path: Path):
    write_sav(tmp_path / "sav", "a")
    write_shared(tmp_path / "shared", "b")
    sources = [
        scene_source(1, SceneConfig(size=32)),
        video_source("SA-V", 1, open_dataset(tmp_path / "sav"), 32),
        video_source("shared", 1, open_dataset(tmp_path / "shared"), 32),
    ]
    try:
        sources.append(body_source(1, 32))
    except NoRenderer as missing:
        pytest.skip(f"{missing}")
    for source in sources:
        sample = Mixture([source]).make(0, 3)
        assert sample.frames.shape == (3, 32, 32, 3)
    mixture = Mixture(sources)
    for seed in range(12):
        assert mixture.make(seed, 2).frames.shape == (2, 32, 32, 3)


def test_a_broken_video_among_good_ones_is_named_in_passing(tmp_path: Path):
    write_shared(write_shared(tmp_path, "good"), "bad")
    dataset = open_dataset(tmp_path)
    for file in (tmp_path / "bad" / "frames").iterdir():
        file.write_bytes(b"")
    mixture = Mixture([video_source("real", 1, dataset, 32)])
    for seed in range(10):
        mixture.make(seed, 2)
    assert all(skipped.name == "real: bad" for skipped, _ in mixture.skipped)
    assert "is no picture" in mixture.skipped[0][0].reason


def test_a_dataset_without_a_usable_video_is_refused():
    with pytest.raises(
        NothingUsable, match=r"no video of real .* 1 skipped, the first for a: dark"
    ):
        video_source("real", 1, Dataset("MOSE", (), (Skipped("a", "dark"),)), 32)


def test_bad_photographs_are_counted_once_among_what_was_skipped(tmp_path: Path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    mixture = Mixture([scene_source(1, SceneConfig(size=32, photo_folders=(tmp_path,)))])
    for seed in range(6):
        mixture.make(seed, 1)
    ((skipped, times),) = mixture.skipped
    assert (skipped.name, times) == (f"scenes: {tmp_path / 'bad.jpg'}", 1)
    assert "cannot identify" in skipped.reason


def test_seeds_that_are_reserved_are_not_drawn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mixture_module, "_SEEDS", 2 * RESERVED_SEEDS)  # half would be
    drawn: list[int] = []

    def make(seed: int, num_frames: int) -> Sample:
        drawn.append(seed)
        return flat(0).make(seed, num_frames)

    mixture = Mixture([Source("seen", 1, make)])
    for seed in range(20):
        mixture.make(seed, 1)
    assert min(drawn) >= RESERVED_SEEDS
    assert len(set(drawn)) == 20
