import numpy as np
import torch

from sam2_rt.bench.clip import clip, planes_of
from sam2_rt.tracking.frame import Frame, to_input


def test_planes_show_the_picture_that_they_are_of():
    y, x = np.mgrid[:64, :97]
    rgb = np.stack([x * 2, y * 3, 200 - x], axis=-1).astype(np.uint8)
    device = torch.device("cpu")
    video = to_input(Frame(0, planes_of(rgb)), 32, device, torch.float32)
    picture = to_input(Frame(0, (rgb,)), 32, device, torch.float32)
    assert (video - picture).abs().mean() < 0.05


def test_a_clip_s_frames_are_numbered_and_move():
    first, second = clip(2)
    assert (first.pts, second.pts) == (0, 1)
    assert len(first.planes) == 3
    assert not np.array_equal(first.planes[0], second.planes[0])
