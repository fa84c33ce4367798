import pytest

from sam2_rt.data.folders import UnknownLayout
from sam2_rt.data.mixture import RESERVED_SEEDS
from sam2_rt.data.synthetic import SceneConfig, SceneMaker
from sam2_rt.eval.absence import comes_back
from sam2_rt.eval.sources import FIRST_UNSEEN_SEED, Folder, MadeUp, NothingToScore
from tiny_datasets import write_davis


def test_a_folder_gives_its_videos(folder):
    source = Folder.open(folder)
    assert [video.name for video in source] == ["one", "two"]
    assert source.num_frames == 13
    assert not source.may_overlap


def test_a_limit_shortens_each_video(folder):
    assert [video.num_frames for video in Folder.open(folder, limit=4)] == [4, 4]


def test_a_video_can_be_left_out(folder):
    assert [video.name for video in Folder.open(folder, exclude=["one"])] == ["two"]


def test_to_leave_out_what_is_not_there_is_an_error(folder):
    with pytest.raises(NothingToScore, match="no video three to exclude"):
        Folder.open(folder, exclude=["three"])


def test_a_folder_of_which_all_is_left_out_is_an_error(folder):
    with pytest.raises(NothingToScore, match="all are excluded"):
        Folder.open(folder, exclude=["one", "two"])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UnknownLayout, match="nowhere"):
        Folder.open(tmp_path / "nowhere")


def test_videos_without_masks_are_named(folder):
    for mask in (folder / "one" / "masks").iterdir():
        mask.unlink()
    source = Folder.open(folder)
    assert [video.name for video in source] == ["two"]
    assert [skipped.name for skipped in source.skipped] == ["one"]


def test_a_folder_without_any_mask_is_an_error_that_says_why(folder):
    for name in ("one", "two"):
        for mask in (folder / name / "masks").iterdir():
            mask.unlink()
    with pytest.raises(NothingToScore, match=r"one: .*masks"):
        Folder.open(folder)


def test_made_up_clips_are_beyond_those_of_training():
    source = MadeUp.unseen(SceneMaker(SceneConfig(64)), 2, 3)
    assert min(source.seeds) == FIRST_UNSEEN_SEED >= 10**9
    assert source.num_frames == 6
    videos = list(source)
    assert [video.num_frames for video in videos] == [3, 3]
    assert all(video.size == (64, 64) for video in videos)


def test_made_up_clips_are_the_same_each_time():
    source = MadeUp.unseen(SceneMaker(SceneConfig(64)), 1, 3)
    (first,), (again,) = source, source
    assert (first.frame(2) == again.frame(2)).all()


def test_clips_can_be_chosen_in_which_an_object_comes_back():
    source = MadeUp.returning(SceneMaker(SceneConfig(64)), 2, 24)
    assert len(set(source.seeds)) == 2
    for video in source:
        areas = [[video.masks(i)[n].mean() for i in video.annotated] for n in video.object_ids]
        assert any(comes_back(one) for one in areas)


def test_clips_in_which_nothing_can_come_back_are_an_error_and_not_sought_for_ever():
    # Seen, away and back for three frames: five at least.
    with pytest.raises(NothingToScore, match="in 0 of 64 made-up clips of 4 frames, 1 are asked"):
        MadeUp.returning(SceneMaker(SceneConfig(32)), 1, 4)


def test_what_training_draws_is_beyond_all_that_evaluation_names():
    assert FIRST_UNSEEN_SEED + 10**9 < RESERVED_SEEDS


def test_one_split_of_a_dataset_can_be_had(tmp_path):
    write_davis(tmp_path, ("bear", "camel"))
    assert [video.name for video in Folder.open(tmp_path)] == ["bear", "camel"]
    assert [video.name for video in Folder.open(tmp_path, split="val")] == ["camel"]
    with pytest.raises(UnknownLayout, match=r"2017/test\.txt"):
        Folder.open(tmp_path, split="test")
