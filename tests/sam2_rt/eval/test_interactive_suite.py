import numpy as np
import pytest

from sam2_rt.eval.interactive_suite import BOTH_WAYS, OFFLINE, ONLINE, run_interactive
from sam2_rt.eval.sheet import Worst
from sam2_rt.eval.sources import Folder, NothingToScore
from sam2_rt.eval.views import FirstFrames, SampleVideo


def two(sample) -> Folder:
    return Folder(tuple(SampleVideo(name, sample) for name in "ab"))


def test_interaction_is_played_on_every_video(squares, scripted):
    sample = squares(6)
    begin, _ = scripted(sample)
    result = run_interactive(begin, two(sample), 2)
    assert list(result.curves) == [OFFLINE, ONLINE]
    assert result.num_objects == 2
    assert [curve.video for curve in result.curves[OFFLINE]] == ["a", "b"]
    assert [curve.iou for curve in result.curves[ONLINE]] == [(1, 1), (1, 1)]


def test_clicks_may_also_reach_back(squares, scripted):
    sample = squares(9)
    begin, _ = scripted(sample, lambda truth, age: np.roll(truth, age, axis=0))
    curves = run_interactive(begin, two(sample), 2, both_ways=True).curves
    (forward, _), (both, _) = curves[OFFLINE], curves[BOTH_WAYS]
    assert both.iou[0] == forward.iou[0]
    assert both.iou[1] > forward.iou[1]


def test_the_worst_objects_are_drawn_as_they_are_in_the_end(squares, scripted):
    sample = squares(8)
    begin, _ = scripted(sample, lambda t, age: t if age < 4 else np.zeros_like(t))
    worst = {OFFLINE: Worst(), ONLINE: Worst()}
    result = run_interactive(begin, two(sample), 2, worst=worst)
    for mode, kept in worst.items():
        assert [strip.score for strip in kept.strips] == [c.jf[-1] for c in result.curves[mode]]
        for strip in kept.strips:
            assert [caption for caption, _ in strip.tiles] == [str(index) for index in range(8)]
            pink = [(tile[..., 0].astype(int) - tile[..., 1] > 60).any() for _, tile in strip.tiles]
            assert pink == [True] * 8  # in the first pass nothing was found after frame 3


def test_interaction_with_nothing_is_an_error(video, scripted):
    begin, _ = scripted(video.sample)
    with pytest.raises(NothingToScore, match="squares: no annotated frame"):
        run_interactive(begin, Folder((FirstFrames(video, 0),)), 2)
