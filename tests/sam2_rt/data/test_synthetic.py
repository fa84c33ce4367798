import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden_data import shared
from picture_folders import write_cutouts, write_masked, write_photos
from sam2_rt.data.sample import Sample
from sam2_rt.data.synthetic import MAX_MASKLETS, MIN_AREA, MIN_AREA_EASY, SceneConfig, SceneMaker

SMALL = SceneConfig(size=128)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> SceneConfig:
    folder = tmp_path_factory.mktemp("pictures")
    return SceneConfig(
        size=128,
        photo_folders=(write_photos(folder / "photos"),),
        mask_folders=(write_masked(folder / "masked"),),
        cutout_folders=(write_cutouts(folder / "cutouts"),),
    )


@pytest.fixture(scope="module")
def clips(config) -> list[Sample]:
    maker = SceneMaker(config)
    return [maker.make(seed) for seed in range(40)]


def fingerprint(sample: Sample) -> str:
    digest = hashlib.sha256(sample.frames.tobytes() + sample.masklets.tobytes())
    if sample.ignored is not None:
        digest.update(sample.ignored.tobytes())
    return digest.hexdigest()


def middles(masklet: np.ndarray) -> np.ndarray:
    """Of a masklet [T, H, W] where it is seen, as shares of the frame: [T, 2]."""
    places = [np.argwhere(mask).mean(axis=0) if mask.any() else (np.nan,) * 2 for mask in masklet]
    return np.array(places) / masklet.shape[-1]


def test_the_seed_decides_the_clip_whatever_was_made_before(config):
    maker = SceneMaker(config)
    seeds = (3, 4, 5)
    first = [fingerprint(maker.make(seed)) for seed in seeds]
    again = [fingerprint(maker.make(seed)) for seed in reversed(seeds)]
    assert first == again[::-1]
    assert len(set(first)) == 3


def test_another_process_makes_the_same_clips(config):
    code = (
        "import sys, hashlib; from pathlib import Path;"
        "from sam2_rt.data.synthetic import SceneConfig, SceneMaker;"
        "p = [(Path(a),) for a in sys.argv[1:]];"
        "maker = SceneMaker(SceneConfig(128, 8, *p));"
        "made = [maker.make(seed, frames) for seed, frames in ((11, 8), (12, 1), (13, 3))];"
        "print(*(hashlib.sha256(s.frames.tobytes() + s.masklets.tobytes()"
        " + (b'' if s.ignored is None else s.ignored.tobytes())).hexdigest() for s in made))"
    )
    folders = (config.photo_folders, config.mask_folders, config.cutout_folders)
    command = [sys.executable, "-c", code, *(str(folder) for (folder,) in folders)]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    maker = SceneMaker(config)
    here = [fingerprint(maker.make(seed, n)) for seed, n in ((11, 8), (12, 1), (13, 3))]
    assert there == here


@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_no_folder_is_needed(num_frames):
    maker = SceneMaker(SMALL)
    for seed in range(4):
        sample = maker.make(seed, num_frames)
        assert sample.frames.shape == (num_frames, 128, 128, 3)
        assert sample.frames.dtype == np.uint8
        assert sample.masklets.dtype == np.bool_


def test_clips_are_as_long_as_the_configuration_says():
    assert len(SceneMaker(replace(SMALL, num_frames=4)).make(0).frames) == 4


def test_every_masklet_is_seen_in_the_first_frame(clips):
    for sample in clips:
        assert 1 <= len(sample.masklets) <= MAX_MASKLETS
        assert (sample.masklets[:, 0].mean(axis=(1, 2)) >= MIN_AREA).all()


def test_easy_clips_have_larger_objects():
    maker = SceneMaker(replace(SMALL, difficulty=0.0))
    for seed in range(8):
        assert (maker.make(seed, 2).masklets[:, 0].mean(axis=(1, 2)) >= MIN_AREA_EASY).all()


def test_things_of_one_clip_are_apart_or_parts_of_each_other(clips):
    for sample in clips:
        for one in sample.masklets:
            for other in sample.masklets:
                shared = one & other
                assert not shared.any() or (shared == one).all() or (shared == other).all()


def test_objects_leave_their_first_place_in_at_least_half_the_clips(clips):
    def left(masklet: np.ndarray) -> bool:
        remains = (masklet & masklet[0]).sum(axis=(1, 2))
        return bool(remains.min() < 0.1 * masklet[0].sum())

    assert np.mean([any(map(left, sample.masklets)) for sample in clips]) >= 0.5


def test_some_objects_vanish_and_some_come_back(clips):
    seen = [mask.any(axis=(1, 2)) for sample in clips for mask in sample.masklets]
    assert sum(not one[-1] for one in seen) >= 2
    assert sum(not one.all() and bool(one[-1]) for one in seen) >= 2


def test_harder_clips_are_faster():
    def mean_step(difficulty: float) -> float:
        maker = SceneMaker(replace(SMALL, size=64, difficulty=difficulty))
        steps = [
            np.linalg.norm(np.diff(middles(masklet), axis=0), axis=1)
            for seed in range(60)
            for masklet in maker.make(seed, 8).masklets
        ]
        return float(np.nanmean(np.concatenate(steps)))

    assert mean_step(1.0) > 1.2 * mean_step(0.0)


def test_what_nobody_labelled_is_ignored_in_photographs_only(clips):
    photographs = [sample for sample in clips if sample.ignored is not None]
    assert 0 < len(photographs) < len(clips)
    for sample in photographs:
        assert not (sample.masklets & sample.ignored).any()


def test_most_stills_are_photographs(config):
    maker = SceneMaker(config)
    assert np.mean([maker.make(seed, 1).ignored is not None for seed in range(40)]) > 0.4


def test_a_bad_picture_is_named_and_skipped(config, tmp_path):
    good = write_photos(tmp_path / "photos", 1)
    bad = good / "bad.jpg"
    bad.write_bytes((good / "0.jpg").read_bytes()[:600])
    maker = SceneMaker(replace(config, photo_folders=(good,)))
    for seed in range(12):
        maker.make(seed, 1)
    assert [picture.path for picture in maker.skipped] == [bad]
    assert maker.skipped[0].reason


def test_a_missing_folder_is_an_error():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        SceneMaker(SceneConfig(cutout_folders=(Path("nowhere"),)))


def test_real_photographs_with_masks_are_read():
    folder = shared("data/train_images/photomasks/coco_cc_partial")
    maker = SceneMaker(SceneConfig(size=64, num_frames=1, mask_folders=(folder,)))
    samples = [maker.make(seed) for seed in range(30)]
    assert maker.skipped == ()
    assert any(sample.ignored is not None for sample in samples)
