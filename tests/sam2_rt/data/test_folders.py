import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from golden_data import shared
from sam2_rt import rle
from sam2_rt.data.folders import UnknownLayout, open_dataset
from sam2_rt.data.labelled_video import MAX_REASON_CHARACTERS, LabelledVideo, Skipped
from tiny_datasets import (
    NUM_FRAMES,
    frame,
    labels,
    sav_document,
    write_davis,
    write_mose,
    write_mp4,
    write_sav,
    write_shared,
)


def assert_exact(video: LabelledVideo, every: int = 1) -> None:
    """The two squares of a tiny dataset, each annotated frame."""
    assert (video.num_frames, video.size, video.object_ids) == (NUM_FRAMES, (64, 48), (1, 2))
    assert video.annotated == tuple(range(0, NUM_FRAMES, every))
    for index in range(NUM_FRAMES):
        np.testing.assert_allclose(video.frame(index).astype(int), frame(index), atol=12)
    for index in video.annotated:
        masks = video.masks(index)
        assert list(masks) == [1, 2]
        for object_id, mask in masks.items():
            np.testing.assert_array_equal(mask, labels(index) == object_id)
        assert video.ignored(index) is None


def only_skipped(folder: Path, good: str) -> Skipped:
    """The one that is named, beside a good one that is read all the same."""
    dataset = open_dataset(folder)
    assert [video.name for video in dataset.videos] == [good]
    assert len(dataset.skipped) == 1
    return dataset.skipped[0]


@pytest.mark.parametrize("every", [1, 4])
def test_the_shared_layout_is_read_exactly(tmp_path: Path, every: int):
    dataset = open_dataset(write_shared(tmp_path, "squares", every))
    assert (dataset.layout, dataset.skipped) == ("shared", ())
    assert_exact(dataset.videos[0], every)


def test_a_single_video_of_the_shared_layout_is_a_dataset(tmp_path: Path):
    dataset = open_dataset(write_shared(tmp_path, "squares") / "squares")
    assert [video.name for video in dataset.videos] == ["squares"]


def test_davis_is_read_exactly(tmp_path: Path):
    dataset = open_dataset(write_davis(tmp_path, ("bear", "cows")))
    assert dataset.layout == "DAVIS"
    assert [video.name for video in dataset.videos] == ["bear", "cows"]
    for video in dataset.videos:
        assert_exact(video)


def test_a_split_of_davis_is_a_list_of_names(tmp_path: Path):
    dataset = open_dataset(write_davis(tmp_path, ("bear", "cows")), split="val")
    assert [video.name for video in dataset.videos] == ["cows"]
    with pytest.raises(UnknownLayout, match=r"no ImageSets/2017/test-dev\.txt"):
        open_dataset(tmp_path, split="test-dev")


def test_a_split_of_davis_2016_lists_files(tmp_path: Path):
    lists = write_davis(tmp_path, ("bear", "cows")) / "ImageSets" / "480p"
    lists.mkdir()
    lines = [f"/JPEGImages/480p/bear/{i:05d}.jpg /Annotations/..." for i in range(3)]
    (lists / "train.txt").write_text("\n".join(lines))
    assert [video.name for video in open_dataset(tmp_path, "train").videos] == ["bear"]


def test_black_and_white_masks_of_davis_2016_are_one_object(tmp_path: Path):
    write_davis(tmp_path, ("bear",))
    for file in (tmp_path / "Annotations" / "480p" / "bear").iterdir():
        Image.fromarray(np.uint8(255) * (labels(int(file.stem)) == 1)).save(file)
    video = open_dataset(tmp_path).videos[0]
    assert video.object_ids == (1,)
    np.testing.assert_array_equal(video.masks(3)[1], labels(3) == 1)
    assert video.ignored(3) is None


def test_mose_is_read_exactly(tmp_path: Path):
    dataset = open_dataset(write_mose(tmp_path, "0a1b"))
    assert (dataset.layout, dataset.skipped) == ("MOSE", ())
    assert_exact(dataset.videos[0])


def test_splits_of_mose_are_folders(tmp_path: Path):
    write_mose(tmp_path / "train", "0a1b")
    write_mose(tmp_path / "valid", "0a1b", every=NUM_FRAMES)
    assert [v.name for v in open_dataset(tmp_path).videos] == ["train/0a1b", "valid/0a1b"]
    valid = open_dataset(tmp_path, "valid").videos
    assert [(v.name, v.annotated) for v in valid] == [("0a1b", (0,))]
    with pytest.raises(UnknownLayout, match="no split test"):
        open_dataset(tmp_path, "test")


def test_youtube_vos_is_read_exactly(tmp_path: Path):
    train = write_mose(tmp_path / "train", "003234408d", every=5)
    (train / "meta.json").write_text('{"videos": {"003234408d": {"objects": {}}}}')
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.skipped) == ("YouTube-VOS", ())
    assert_exact(dataset.videos[0], every=5)


def test_two_videos_of_sa_v_are_read_exactly_though_their_masklets_overlap(tmp_path: Path):
    write_sav(tmp_path / "sav_000", "sav_000001")
    write_sav(tmp_path / "sav_000", "sav_000002", kind="auto")
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.skipped) == ("SA-V", ())
    assert [video.name for video in dataset.videos] == [
        "sav_000/sav_000001",
        "sav_000/sav_000002",
    ]
    for video in dataset.videos:
        assert (video.annotated, video.object_ids) == ((0, 4, 8), (1, 2))
        assert (video.num_frames, video.size) == (NUM_FRAMES, (64, 48))
        for index in (0, 4, 8, 3, 7, 0):
            np.testing.assert_allclose(video.frame(index).astype(int), frame(index), atol=12)
        for index in video.annotated:
            masks = video.masks(index)
            np.testing.assert_array_equal(masks[1], labels(index) == 1)
            np.testing.assert_array_equal(masks[2], labels(index) > 0)


def test_hand_made_masklets_of_sa_v_go_before_automatic_ones(tmp_path: Path):
    write_sav(tmp_path, "a")
    (tmp_path / "a_auto.json").write_text("no JSON")
    assert open_dataset(tmp_path).skipped == ()


def test_a_mask_of_sa_v_may_be_absent(tmp_path: Path):
    document = sav_document()
    document["masklet"][1] = [[], document["masklet"][1][1]]  # type: ignore[index]
    write_sav(tmp_path, "a")
    (tmp_path / "a_manual.json").write_text(json.dumps(document))
    masks = open_dataset(tmp_path).videos[0].masks(4)
    assert (masks[1].any(), masks[2].any()) == (False, True)


def break_masks(folder: Path) -> None:
    (folder / "masks").rename(folder / "gone")


def break_mask_size(folder: Path) -> None:
    Image.fromarray(labels(0)[:40]).save(folder / "masks" / "00000.png")


def break_jpeg(folder: Path) -> None:
    (folder / "frames" / "00000.jpg").write_bytes(b"no picture")


def break_png(folder: Path) -> None:
    file = folder / "masks" / "00000.png"
    file.write_bytes(file.read_bytes()[:60])


def remove_objects(folder: Path) -> None:
    for file in (folder / "masks").iterdir():
        Image.fromarray(np.uint8(255) * (labels(0) == 1)).convert("P").save(file)


def remove_frames(folder: Path) -> None:
    for file in (folder / "frames").iterdir():
        file.unlink()


def remove_one_frame(folder: Path) -> None:
    (folder / "frames" / "00003.jpg").unlink()


def paint_mask(folder: Path) -> None:
    Image.fromarray(np.dstack((labels(0),) * 3) * np.uint8(9)).save(folder / "masks" / "00000.png")


def double_frame(folder: Path) -> None:
    Image.fromarray(frame(0)).save(folder / "frames" / "00000.png")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (break_masks, r"bad/masks is missing"),
        (break_mask_size, r"00000\.png is 64 x 40 pixels, the first frame 64 x 48"),
        (break_jpeg, r"00000\.jpg is no picture"),
        (break_png, r"00000\.png is no mask"),
        (remove_objects, r"no object in any of the 9 masks"),
        (remove_frames, r"frames holds no \.jpeg or \.jpg or \.png files"),
        (remove_one_frame, r"00003\.png has no frame"),
        (paint_mask, r"00000\.png is no mask: its colours"),
        (double_frame, r"two pictures of one name"),
    ],
)
def test_a_bad_folder_of_pictures_is_named(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
):
    write_shared(write_shared(tmp_path, "good"), "bad")
    spoil(tmp_path / "bad")
    skipped = only_skipped(tmp_path, "good")
    assert skipped.name == "bad"
    with pytest.raises(ValueError, match=reason):
        raise ValueError(skipped.reason)


def sav_of_another_size(folder: Path) -> None:
    document = {"masklet": [[rle.to_json(labels(0)[:40] == 1)]]}
    (folder / "bad_manual.json").write_text(json.dumps(document))


def sav_of_a_longer_video(folder: Path) -> None:
    document = sav_document()
    document["masklet"] *= 2  # type: ignore[operator]
    (folder / "bad_manual.json").write_text(json.dumps(document))


def cut_mp4(folder: Path) -> None:
    file = folder / "bad.mp4"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def write_bad(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "bad_manual.json").write_text(text) and None


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: (f / "bad_manual.json").unlink(), "neither _manual.json nor _auto.json"),
        (write_bad("{"), "is no SA-V annotation"),
        (write_bad("[" * 100_000), "is no SA-V annotation"),
        (write_bad('{"masklet": 3}'), "is not a list of lists"),
        (write_bad('{"masklet": [[], []]}'), "holds no object"),
        (write_bad('{"masklet": [[{"size": [48, 64], "counts": "~"}]]}'), "frame 0, masklet 0"),
        (sav_of_another_size, "is 64 x 40 pixels, the video 64 x 48"),
        (sav_of_a_longer_video, "annotates frame 20 of a video of 9 frames"),
        (lambda f: (f / "bad.mp4").write_bytes(b"no video"), "bad.mp4 is no video"),
        (cut_mp4, "bad.mp4 is no video"),
    ],
)
def test_a_bad_video_of_sa_v_is_named(tmp_path: Path, spoil: Callable[[Path], object], reason: str):
    write_sav(write_sav(tmp_path, "good"), "bad")
    spoil(tmp_path)
    skipped = only_skipped(tmp_path, "good")
    assert skipped.name == "bad"
    assert reason in skipped.reason


def test_a_long_reason_is_cut():
    assert len(Skipped("a", "x" * 10_000).reason) == MAX_REASON_CHARACTERS
    assert str(Skipped("a", "broken")) == "a: broken"


@pytest.mark.parametrize("content", ["", "notes.txt", "clip/notes.txt", "clip/00000.jpg"])
def test_an_unknown_layout_names_the_known_ones(tmp_path: Path, content: str):
    if content:
        (tmp_path / content).parent.mkdir(exist_ok=True)
        (tmp_path / content).write_text("")
    with pytest.raises(UnknownLayout, match=r"(?s)DAVIS.*MOSE.*YouTube-VOS.*SA-V"):
        open_dataset(tmp_path)
    with pytest.raises(UnknownLayout, match="no folder"):
        open_dataset(tmp_path / "missing")


def test_the_shared_clips_are_read():
    dataset = open_dataset(shared("data/sequences"))
    assert (len(dataset.videos), dataset.skipped) == (8, ())
    caps = next(video for video in dataset.videos if video.name == "pumavos-caps")
    assert caps.annotated == (0, 14, 33, 43, 66)
    assert caps.object_ids == (1, 2)


def test_a_clip_beside_its_pictures_does_not_hide_them(tmp_path: Path):
    write_shared(tmp_path, "one")
    write_mp4(tmp_path / "one" / "preview.mp4")
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, [video.name for video in dataset.videos]) == ("shared", ["one"])
