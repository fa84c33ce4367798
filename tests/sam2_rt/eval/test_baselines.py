import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from golden_data import shared
from sam2_rt.eval.baselines import CopyFollower, FlowFollower
from sam2_rt.eval.sources import Folder
from sam2_rt.eval.views import SampleVideo
from sam2_rt.eval.vos import score_video
from sam2_rt.tracking.prompt import Point, Prompt


def independent_score(kind: str, name: str, out: Path) -> tuple[float, float]:
    """J and F of the only object, by the scripts of others: they track and they score."""
    data = shared("data/sequences")
    command = (sys.executable, shared("tools/classical_vos.py"), kind, data, out, name)
    subprocess.run(command, check=True, capture_output=True)
    spec = importlib.util.spec_from_file_location("jf", shared("tools/jf.py"))
    jf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(jf)
    ((score),) = jf.score(data / name / "masks", out / name).values()
    return score


@pytest.mark.parametrize(
    ("kind", "begin", "tolerance"),
    [("static", CopyFollower, 1e-3), ("flow", FlowFollower, 5e-3)],  # grey is read otherwise
)
def test_it_scores_as_an_independent_one_does(tmp_path, kind, begin, tolerance):
    name = "segtrack2-bmx"
    folder = Folder.open(shared("data/sequences"))
    (video,) = (video for video in folder if video.name == name)
    ((score),) = score_video(video, begin).objects
    expected = independent_score(kind, name, tmp_path)
    assert (score.j, score.f) == pytest.approx(expected, abs=tolerance)
    assert score.num_frames == 34


def test_copy_leaves_the_mask_where_it_was(squares):
    sample = squares(3)
    follower = CopyFollower(1)
    mask = sample.masklets[0, 0]
    follower.step(sample.frames[0], [Prompt(1, mask=mask)])
    assert (follower.step(sample.frames[2], []) == mask).all()


def test_flow_follows_what_moves_smoothly():
    y, x = np.mgrid[:96, :96]
    frames = [
        (127 + 60 * np.sin((x - 3 * t) / 5) * np.cos(y / 7))
        .astype(np.uint8)[..., None]
        .repeat(3, 2)
        for t in range(4)
    ]
    masks = [(np.abs(x - 30 - 3 * t) < 12) & (np.abs(y - 48) < 12) for t in range(4)]
    follower = FlowFollower(1)
    found = follower.step(frames[0], [Prompt(1, mask=masks[0])])
    for frame in frames[1:]:
        found = follower.step(frame, [])
    assert (found[0] & masks[3]).sum() / (found[0] | masks[3]).sum() > 0.85


def test_flow_beats_copy_on_what_moves(squares):
    video = SampleVideo("squares", squares(8))
    copied, flowed = (score_video(video, b).objects[0].jf for b in (CopyFollower, FlowFollower))
    assert flowed > copied


@pytest.mark.parametrize("begin", [CopyFollower, FlowFollower])
def test_an_object_can_join_later(squares, begin):
    sample = squares(3, num_objects=2)
    follower = begin(2)
    assert not follower.step(sample.frames[0], [])[1].any()
    follower.step(sample.frames[1], [Prompt(1, mask=sample.masklets[0, 1])])
    masks = follower.correct([Prompt(2, mask=sample.masklets[1, 1])])
    assert (masks == sample.masklets[:, 1]).all()


@pytest.mark.parametrize("begin", [CopyFollower, FlowFollower])
def test_a_click_says_too_little_to_it(squares, begin):
    with pytest.raises(ValueError, match="masks"):
        begin(1).step(squares(1).frames[0], [Prompt(1, points=(Point(0.5, 0.5),))])
