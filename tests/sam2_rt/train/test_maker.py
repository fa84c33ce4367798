from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest

from sam2_rt.data import mixture
from sam2_rt.data.folders import open_dataset
from sam2_rt.data.mixture import Mixture, video_source
from sam2_rt.data.sample import NothingUsable
from sam2_rt.train.maker import MAX_BARREN, make_usable
from squares import SQUARES, SparseMaker
from tiny_datasets import write_mostly_broken


def test_seeds_that_give_no_sample_are_passed_over():
    made = list(islice(make_usable(SparseMaker(10), count(1), 2), 3))
    for sample, seed in zip(made, (10, 20, 30), strict=True):
        assert np.array_equal(sample.frames, SQUARES.make(seed, 2).frames)


def test_too_many_of_them_in_a_row_are_told_and_fewer_never():
    rare = make_usable(SparseMaker(MAX_BARREN), count(1), 1)
    assert len(list(islice(rare, 2))) == 2
    with pytest.raises(NothingUsable, match=rf"no sample of {MAX_BARREN} .* seed 64 .* cut off"):
        next(make_usable(SparseMaker(MAX_BARREN + 1), count(1), 1))


def test_nine_broken_videos_and_a_good_one_give_samples_of_the_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mixture, "MAX_TRIES", 3)  # else hardly a seed of these gives nothing
    dataset = open_dataset(write_mostly_broken(tmp_path, 9))
    maker = Mixture([video_source("real", 1, dataset, 32)])
    tried: list[int] = []

    def seeds():
        for seed in count():
            tried.append(seed)
            yield seed

    assert len(list(islice(make_usable(maker, seeds(), 2), 6))) == 6
    assert len(tried) > 6, "no seed was barren: nothing was shown"
    names = {skipped.name for skipped, _ in maker.skipped}
    assert names == {f"real: bad{number}" for number in range(9)}
    assert 3 * (len(tried) - 6) <= sum(times for _, times in maker.skipped) < 3 * len(tried)
