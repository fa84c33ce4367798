import pytest

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.eval.absence import Absence
from sam2_rt.eval.baselines import CopyFollower
from sam2_rt.eval.image import PictureFolder
from sam2_rt.eval.sheet import Worst
from sam2_rt.eval.sources import Folder, NothingToScore
from sam2_rt.eval.streaming import Delivery
from sam2_rt.eval.suites import mean_jf, run_image, run_stream, run_vos
from sam2_rt.eval.views import SampleVideo


def break_frame(folder, name: str, index: int) -> None:
    (folder / name / "frames" / f"{index:05d}.jpg").write_bytes(b"broken")


def test_every_object_of_every_video_counts(folder):
    result = run_vos("copy", CopyFollower, Folder.open(folder))
    assert [score.video for score in result.objects] == ["one", "two"]
    assert [video.num_frames for video in result.videos] == [6, 7]
    jfs = [score.jf for score in result.objects]
    assert mean_jf(result.objects) == pytest.approx(sum(jfs) / 2)


def test_a_video_that_breaks_in_the_middle_is_named_and_the_others_count(folder):
    break_frame(folder, "one", 3)
    result = run_vos("copy", CopyFollower, Folder.open(folder))
    assert [score.video for score in result.objects] == ["two"]
    ((name, reason),) = [(s.name, s.reason) for s in result.skipped]
    assert name == "one"
    assert "00003.jpg" in reason


def test_when_all_videos_are_broken_it_says_why(folder):
    break_frame(folder, "one", 3)
    with pytest.raises(NothingToScore, match=r"00003\.jpg"):
        run_vos("copy", CopyFollower, Folder.open(folder, exclude=["two"]))


def test_too_few_annotated_frames_are_nothing_to_score(squares):
    source = Folder((SampleVideo("squares", squares(2)),))
    with pytest.raises(NothingToScore, match="none of 1 objects has a frame"):
        run_vos("copy", CopyFollower, source)


def test_what_could_not_be_opened_is_told_too(squares):
    source = Folder((SampleVideo("squares", squares(4)),), (Skipped("odd", "no masks"),))
    assert run_vos("copy", CopyFollower, source).skipped == (Skipped("odd", "no masks"),)


def test_absence_is_measured_on_the_way(squares):
    source = Folder((SampleVideo("squares", squares(9, away=[3, 4])),))
    result = run_vos("copy", CopyFollower, source)
    # The copy is still there while the object is away, and behind it when it is back.
    assert result.absence == Absence(absent_frames=2, false_frames=2, returns=1)
    assert result.ghost.share == 1  # and all of it where it first was


def test_the_worst_objects_are_drawn(folder):
    worst = Worst()
    result = run_vos("copy", CopyFollower, Folder.open(folder), worst=worst)
    scores = sorted(score.jf for score in result.objects)
    assert [strip.score for strip in worst.strips] == scores
    assert all(len(strip.tiles) >= 6 for strip in worst.strips)


def test_a_stream_is_scored_on_every_video(folder):
    result = run_stream(CopyFollower, Folder.open(folder), Delivery("rare", every=2), 0)
    assert [score.video for score in result.held] == ["one", "two"]
    assert [score.num_frames for score in result.arrived] == [2, 2]
    assert [score.num_frames for score in result.held] == [4, 5]


def test_the_worst_objects_of_a_stream_are_drawn_in_the_frames_that_arrive(folder):
    worst = Worst()
    every_2nd = Delivery("rare", every=2)
    result = run_stream(CopyFollower, Folder.open(folder), every_2nd, 0, worst)
    assert [s.score for s in worst.strips] == sorted(score.jf for score in result.held)
    shown = {strip.label[0]: [caption for caption, _ in strip.tiles] for strip in worst.strips}
    assert shown == {"one": ["0", "2", "4"], "two": ["0", "2", "4", "6"]}


def test_pictures_that_cannot_be_read_are_told_and_none_at_all_is_an_error(tmp_path, model):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    (tmp_path / "images" / "a.jpg").write_bytes(b"broken")
    with pytest.raises(NothingToScore, match=r"a\.jpg is no picture"):
        run_image(CopyFollower, PictureFolder.open(tmp_path), Worst())
