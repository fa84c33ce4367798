"""Colour: ways from a video frame to the model's input on a CPU, `sam2-rt bench --colour`."""

import statistics
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from av import VideoFrame
from PIL import Image
from torch import Tensor

from sam2_rt.bench.clip import planes_of
from sam2_rt.bench.stages import Timer
from sam2_rt.data.ball_clip import make_clip
from sam2_rt.tracking.frame import Frame, Plane, to_input

WIDTH, HEIGHT = 1280, 720
"""Of the video."""
ROUNDS: Final = 20
EXACT: Final = "torch, a plane a time"

Resize = Callable[[Sequence[Plane], int], Tensor]
"""I420 planes -> [3, size, size] in 0..255."""


class Way(NamedTuple):
    """One way's cost and error."""

    ms: float
    """Median, from planes to normalised pixels."""
    error: float
    """Mean difference to EXACT in steps of a byte."""


def time_colour(size: int, timer: Timer) -> dict[str, Way]:
    """All ways in turn on one frame, by name; the last is the one in use."""
    rgb = next(iter(make_clip(0, 1))).rgb
    large = Image.fromarray(rgb).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    frame = Frame(0, planes_of(np.array(large)))
    seconds: dict[str, list[float]] = {name: [] for name in (*RESIZES, IN_USE)}
    # Colour and normalisation are the same 3x3 product for all; here it stands for itself.
    matrix, bias = torch.rand(3, 3), torch.rand(3, 1)

    def convert(name: str) -> None:
        if name == IN_USE:
            to_input(frame, size, timer.device, torch.float32)
        else:
            planes = RESIZES[name](frame.planes, size).float().flatten(1)
            torch.addmm(bias, matrix, planes)

    for _ in range(ROUNDS):
        for name, taken in seconds.items():
            start = timer.now()
            convert(name)
            taken.append(timer.now() - start)
    exact = RESIZES[EXACT](frame.planes, size)
    errors = {n: float((r(frame.planes, size) - exact).abs().mean()) for n, r in RESIZES.items()}
    errors[IN_USE] = errors["swscale"]
    return {name: Way(1e3 * statistics.median(s), errors[name]) for name, s in seconds.items()}


def _torch_planes(planes: Sequence[Plane], size: int) -> Tensor:
    return torch.cat([_interpolate(torch.from_numpy(p)[None].float(), size) for p in planes])


def _torch_together(planes: Sequence[Plane], size: int) -> Tensor:
    """Both chroma planes at once."""
    luma, *chroma = (torch.from_numpy(p).float() for p in planes)
    return torch.cat([_interpolate(luma[None], size), _interpolate(torch.stack(chroma), size)])


def _torch_bytes(planes: Sequence[Plane], size: int) -> Tensor:
    """The same on bytes."""
    luma, *chroma = (torch.from_numpy(p) for p in planes)
    return torch.cat([_interpolate(luma[None], size), _interpolate(torch.stack(chroma), size)])


def _interpolate(planes: Tensor, size: int) -> Tensor:
    """[C, h, w] -> [C, size, size]"""
    return F.interpolate(planes[None], (size, size), mode="bilinear", antialias=True)[0]


def _pillow(planes: Sequence[Plane], size: int) -> Tensor:
    square, linear = (size, size), Image.Resampling.BILINEAR
    return torch.from_numpy(
        np.stack([np.asarray(Image.fromarray(p).resize(square, linear)) for p in planes])
    )


def _swscale(planes: Sequence[Plane], size: int) -> Tensor:
    """As to_input has it, with threads as its library chooses."""
    picture = VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for room, plane in zip(picture.planes, planes, strict=True):
        rows = np.frombuffer(memoryview(room), np.uint8).reshape(-1, room.line_size)
        rows[:, : plane.shape[1]] = plane
    small = picture.reformat(size, size, "yuv444p", interpolation="BILINEAR")
    return torch.from_numpy(small.to_ndarray())


RESIZES: Final[dict[str, Resize]] = {
    EXACT: _torch_planes,
    "torch, chroma together": _torch_together,
    "torch, on bytes": _torch_bytes,
    "Pillow": _pillow,
    "swscale": _swscale,
}
IN_USE: Final = "swscale, one thread (in use)"
