import pytest

from sam2_rt.eval.absence import Absence
from sam2_rt.eval.baselines import CopyFollower, FlowFollower
from sam2_rt.eval.ghost import Ghost
from sam2_rt.eval.image import PromptScore
from sam2_rt.eval.interactive import Curve
from sam2_rt.eval.interactive_suite import BOTH_WAYS, OFFLINE, ONLINE, InteractiveResult
from sam2_rt.eval.sources import Folder
from sam2_rt.eval.streaming import Delivery
from sam2_rt.eval.suites import ImageResult, VosResult, mean_jf, run_stream
from sam2_rt.eval.tables import (
    curves_of,
    show_absence,
    show_image,
    show_interactive,
    show_streams,
    show_vos,
)
from sam2_rt.eval.views import SampleVideo
from sam2_rt.eval.vos import ObjectScore, VideoScore


def vos(method: str, *scores: tuple[float, float]) -> VosResult:
    """Two videos: the first has all objects but the last."""
    objects = [ObjectScore("ab"[n == len(scores)], n, *s, 5) for n, s in enumerate(scores, 1)]
    videos = [
        VideoScore(name, tuple(o for o in objects if o.video == name), (), 7) for name in "ab"
    ]
    return VosResult(method, tuple(videos), (), Absence(), (Ghost(8, 2.0), Ghost(2, 2.0)))


def test_means_are_over_objects_and_not_over_videos():
    ours = vos("nano", (0.2, 0.4), (0.4, 0.6), (0.9, 0.8))
    shown = show_vos([ours, vos("copy", (0, 0), (0, 0), (0.3, 0.3))], "t")
    assert dict(shown.numbers) == pytest.approx(
        {
            "objects": 3,
            "J": 0.5,
            "F": 0.6,
            "J&F": 0.55,
            "ghost": 0.4,  # over frames, not over videos
            "J&F of copy": 0.1,
            "ghost of copy": 0.4,
        }
    )
    assert shown.table.row_count == 3


def test_absence_is_in_shares_and_nothing_is_no_number():
    shown = show_absence([("a", Absence(20, 1, 4, 3, 6)), ("b", Absence())], "t")
    assert [n.value for n in shown.numbers] == [20, 0.05, 4, 0.75, 2, None, None]
    shown = show_absence([("b", Absence()), ("a", Absence(20, 1, 4, 3, 6))], "t")
    assert dict(shown.numbers[5:]) == {"with a false mask, a": 0.05, "reacquired, a": 0.75}
    assert [n.value for n in show_absence([("b", Absence())], "t").numbers] == [0, None, 0] + [
        None
    ] * 2


def test_pictures_with_more_objects_weigh_more():
    scores = [PromptScore("a", 1, 0.2, 0.4, 0.6)] + [
        PromptScore("b", n, 0.8, 1, 0.9) for n in (1, 2)
    ]
    numbers = dict(show_image(ImageResult(tuple(scores), 4, ()), "t").numbers)
    assert numbers == pytest.approx(
        {"objects": 3, "1-click mIoU": 0.6, "5-click mIoU": 0.8, "box mIoU": 0.8, "too small": 4}
    )


def test_curves_are_means_over_objects_by_the_number_of_frames():
    first, second = Curve("a", 1, (0, 0.2), (0.2, 0.4)), Curve("a", 2, (1, 1), (0.6, 0.8))
    result = InteractiveResult({OFFLINE: (first, second), ONLINE: (first,)}, ())
    offline, online = curves_of(result)
    assert (offline.values, online.values) == (pytest.approx((0.4, 0.6)), (0.2, 0.4))
    assert (
        dict(show_interactive(result, "t").numbers)["offline J&F, frames: 2"] == offline.values[1]
    )


def test_clicks_that_reach_back_stand_beside_those_that_do_not():
    curves = {OFFLINE: (Curve("a", 1, (0,), (0.2,)),), BOTH_WAYS: (Curve("a", 1, (0,), (0.4,)),)}
    result = InteractiveResult(curves | {ONLINE: curves[OFFLINE]}, ())
    shown = show_interactive(result, "t")
    assert dict(shown.numbers)["offline, both ways J&F, frames: 1"] == 0.4
    assert dict(shown.numbers)["offline J&F, frames: 1"] == 0.2
    assert [line.name for line in curves_of(result)] == [OFFLINE, BOTH_WAYS, ONLINE]


def test_where_no_frame_arrives_to_be_judged_there_is_no_number(squares):
    source = Folder((SampleVideo("squares", squares(3)),))
    rare = run_stream(CopyFollower, source, Delivery("rare", every=4), 0)
    numbers = show_streams({"a": [rare]}, "t").numbers
    assert [number.name for number in numbers] == ["rare", "rare, held"]
    assert [number.value is None for number in numbers] == [True, False]


def test_streams_of_other_methods_stand_in_the_same_row(squares):
    source = Folder((SampleVideo("squares", squares(9)),))
    every = Delivery("all")
    copy, flow = (run_stream(f, source, every, 0) for f in (CopyFollower, FlowFollower))
    shown = show_streams({"nano": [copy], "flow": [flow]}, "t")
    assert dict(shown.numbers) == {
        "all": mean_jf(copy.arrived),
        "all, held": mean_jf(copy.held),
        "all, flow": mean_jf(flow.arrived),
        "all, held, flow": mean_jf(flow.held),
    }
    assert len(shown.table.columns) == 6
