"""Another program's tracker beside ours, frame by frame: what the tests of all peers ask."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from sam2_rt.data.ball_clip import make_clip
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.frame import Frame, to_input
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.tracker import Tracker

TWO_CLICKS = [(0.4, 0.5), (0.7, 0.3)]


class Peer(Protocol):
    def step(self, pixels: Tensor) -> Tensor: ...


def frames(size: int, count: int) -> Iterator[tuple[Frame, Tensor]]:
    """Of the ball clip, each with its pixels as a model of this size takes them."""
    for picture in make_clip(3, count):
        frame = Frame(picture.index, (picture.rgb,))
        yield frame, to_input(frame, size, torch.device("cpu"), torch.float32)


def check_agreement(model: SAM2, peer: Peer, clicks: Sequence[tuple[float, float]]) -> None:
    """A track for each click over nine made-up frames: a full bank, and the same masks."""
    tracker = Tracker(model)
    prompts = [Prompt(i, points=(Point(*click),)) for i, click in enumerate(clicks, start=1)]
    for frame, pixels in frames(model.config.image_size, 9):
        predictions = tracker.step(frame, prompts if frame.pts == 0 else ())
        masks = peer.step(pixels)
        ours = torch.stack([p.mask_logits for p in predictions])
        error = (ours - masks).abs().max().item()
        # The golden data's tolerances: a bank in bfloat16 and binarised masks are noisy.
        assert error <= (1e-3 if frame.pts == 0 else 1e-2 if frame.pts <= 3 else 5e-2)
        assert ((ours > 0) != (masks > 0)).float().mean() < 0.002
