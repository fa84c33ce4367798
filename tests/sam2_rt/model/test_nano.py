"""The model in the box: small enough, whole, and as good as its card says at least."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from golden_data import SHARED
from sam2_rt.data.annotator import first_click
from sam2_rt.data.ball_clip import make_clip
from sam2_rt.data.folders import open_dataset
from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.mask import to_frame
from sam2_rt.tracking.prompt import Prompt
from sam2_rt.tracking.tracker import Tracker

Mask = NDArray[np.bool_]


@pytest.fixture(scope="module")
def nano() -> SAM2:
    return zoo.load("nano")


def follow(model: SAM2, frames: list[NDArray[np.uint8]], prompt: Prompt) -> list[Mask]:
    tracker = Tracker(model)
    masks = []
    for index, rgb in enumerate(frames):
        [found] = tracker.step(Frame(index, (rgb,)), (prompt,) if index == 0 else ())
        masks.append((to_frame(found.mask_logits[None], *rgb.shape[:2])[0] > 0).numpy())
    return masks


def mean_iou(found: list[Mask], truth: list[Mask]) -> float:
    pairs = list(zip(found, truth, strict=True))
    return float(np.mean([(a & b).sum() / max((a | b).sum(), 1) for a, b in pairs]))


def test_it_has_at_most_five_million_numbers_in_ten_megabytes():
    assert zoo.is_trained("nano")
    assert zoo.num_parameters("nano") < 5_000_000
    assert zoo.BUNDLED.stat().st_size < 10_000_000
    with safe_open(zoo.BUNDLED, "pt") as weights:
        kinds = {weights.get_tensor(name).dtype for name in weights.keys()}  # noqa: SIM118 no dict
    assert kinds == {torch.float16}


def test_a_click_on_the_balloon_is_kept_for_two_seconds(nano: SAM2):
    clip = list(make_clip(16, 60))
    truth = [frame.labels == 2 for frame in clip]
    found = follow(nano, [f.rgb for f in clip], Prompt(1, points=(first_click(truth[0]),)))
    assert mean_iou(found[1:], truth[1:]) > 0.6


@pytest.mark.skipif(not SHARED.exists(), reason="the real clips are not beside this checkout")
def test_a_real_car_is_kept_as_it_turns_into_the_shadow(nano: SAM2):
    folder = SHARED / "data" / "sequences" / "davis-car-shadow"
    [video] = open_dataset(folder).videos
    frames = [video.frame(index) for index in range(30)]
    truth = [video.masks(index)[1] for index in range(30)]
    found = follow(nano, frames, Prompt(1, mask=truth[0]))
    assert mean_iou(found[1:], truth[1:]) > 0.6
