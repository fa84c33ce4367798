from pathlib import Path

import numpy as np
import pytest

from picture_folders import write_photos
from sam2_rt.data.sample import NothingUsable
from sam2_rt.train.sources import NothingToLearn, Sources
from tiny_datasets import NUM_FRAMES, write_sav, write_shared


def test_shares_decide_what_a_sample_comes_from(tmp_path: Path):
    write_sav(tmp_path / "sav", "one")
    mixture = Sources(64, scenes=1, real=3, datasets=(tmp_path / "sav",))()
    assert [(s.name, s.weight) for s in mixture.sources] == [("scenes", 1), ("sav", 3)]
    assert mixture.make(0, 2).frames.shape == (2, 64, 64, 3)


def test_plain_scenes_take_no_picture_from_any_folder(tmp_path: Path):
    photos = write_photos(tmp_path / "photos")
    with_photos, plain = Sources(64, plain=1, photos=(photos,))().sources
    assert with_photos.weight == plain.weight == 1
    alone = Sources(64, scenes=0, plain=1)().sources[0]
    ours, same, other = (s.make(5, 1) for s in (plain, alone, with_photos))
    assert np.array_equal(ours.frames, same.frames)
    assert not np.array_equal(ours.frames, other.frames)


def test_a_broken_video_is_named_and_the_others_are_used(tmp_path: Path):
    folder = write_sav(tmp_path, "good")
    (write_sav(tmp_path, "bad") / "bad_manual.json").write_text("{")
    sources = Sources(64, scenes=0, real=1, datasets=(folder,))
    [skipped] = sources.skipped()
    assert skipped.name == "bad"
    assert sources().make(0, 2).masklets.any()


def test_a_folder_of_nothing_but_broken_videos_is_refused(tmp_path: Path):
    (write_sav(tmp_path, "bad") / "bad_manual.json").write_text("{")
    with pytest.raises(NothingUsable, match="1 skipped"):
        Sources(64, scenes=0, real=1, datasets=(tmp_path,))()


def test_videos_shorter_than_the_longest_clips_are_left_out_and_named(tmp_path: Path):
    write_shared(write_shared(tmp_path, "long"), "short", every=2)
    sources = Sources(64, scenes=0, real=1, datasets=(tmp_path,), num_frames=NUM_FRAMES)
    [skipped] = sources.skipped()
    assert (skipped.name, skipped.reason) == ("short", f"5 annotated frames of {NUM_FRAMES}")
    mixture = sources()
    for seed in range(6):
        mixture.make(seed, NUM_FRAMES)
    assert mixture.skipped == ()


def test_a_folder_of_short_videos_is_refused_at_once(tmp_path: Path):
    for name in ("a", "b"):
        write_shared(tmp_path, name, every=2)
    with pytest.raises(NothingUsable, match=r"2 skipped, the first for a: 5 annotated frames of 8"):
        Sources(64, scenes=0, real=1, datasets=(tmp_path,), num_frames=8)()


def test_no_share_or_a_share_of_nothing_is_refused(tmp_path: Path):
    with pytest.raises(NothingToLearn, match="no source has a share"):
        Sources(64, scenes=0)
    for wrong in ({"real": 1.0}, {"datasets": (tmp_path,)}):
        with pytest.raises(NothingToLearn, match="come together"):
            Sources(64, **wrong)
