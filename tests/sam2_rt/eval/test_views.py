import numpy as np

from sam2_rt.data.sample import Sample
from sam2_rt.eval.views import FirstFrames, SampleVideo, WithGap, with_gaps


def test_a_sample_is_annotated_in_every_frame(squares):
    video = SampleVideo("squares", squares(5, num_objects=2))
    assert video.annotated == (0, 1, 2, 3, 4)
    assert video.object_ids == (1, 2)
    assert video.size == (64, 64)
    assert video.masks(3)[2].any()


def test_a_sample_of_another_shape_has_its_width_first():
    sample = Sample(np.zeros((2, 40, 60, 3), np.uint8), np.ones((1, 2, 40, 60), np.bool_))
    assert SampleVideo("wide", sample).size == (60, 40)


def test_objects_that_are_never_seen_are_left_out(squares):
    sample = squares(5, num_objects=3)
    sample.masklets[1] = False
    video = SampleVideo("squares", sample)
    assert video.object_ids == (1, 3)
    assert list(video.masks(0)) == [1, 3]


def test_the_first_frames_are_as_they_were(squares):
    whole = SampleVideo("squares", squares(9))
    video = FirstFrames(whole, 4)
    assert (video.num_frames, video.annotated, video.name) == (4, (0, 1, 2, 3), "squares")
    assert (video.frame(2) == whole.frame(2)).all()
    assert (video.masks(2)[1] == whole.masks(2)[1]).all()


def test_more_frames_than_there_are_is_all_of_them(squares):
    assert FirstFrames(SampleVideo("squares", squares(5)), 100).num_frames == 5


def test_a_gap_shows_something_else_and_no_object(squares):
    whole = SampleVideo("squares", squares(48))
    grey = np.full((3, 20, 30, 3), 77, np.uint8)
    other = SampleVideo("other", Sample(grey, np.ones((1, 3, 20, 30), np.bool_)))
    video = WithGap(whole, other)
    assert video.gap == range(16, 28)
    for index in range(48):
        is_gap = index in video.gap
        assert (video.frame(index) == 77).all() == is_gap
        assert video.masks(index)[1].any() == (not is_gap and whole.masks(index)[1].any())
    assert video.frame(20).shape == (64, 64, 3)


def test_a_short_video_has_a_short_gap(squares):
    video = SampleVideo("squares", squares(8))
    assert WithGap(video, video).gap == range(3, 5)


def test_frames_of_the_gap_are_annotated(squares):
    sample = squares(48)
    sparse = SampleVideo("squares", sample)

    class Sparse(SampleVideo):
        annotated = (0, 10, 20, 40)

    video = WithGap(Sparse("squares", sample), sparse)
    assert video.annotated == (0, 10, *range(14, 24), 40)


def test_each_video_is_cut_away_from_to_the_next(squares):
    videos = [SampleVideo(str(n), squares(8)) for n in range(3)]
    assert [(v.name, v.elsewhere.name) for v in with_gaps(videos)] == [
        ("0", "1"),
        ("1", "2"),
        ("2", "0"),
    ]
