"""Frame: one picture of a stream, and its way into the model."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sam2_rt.model.config import PIXEL_MEAN, PIXEL_STD
from sam2_rt.tracking.transfer import send, send_numbers

Plane = NDArray[np.uint8]

# ITU-R BT.601, limited range: what browsers send. RGB in 0..255 from (Y, U, V) in 0..255.
_YUV_TO_RGB = torch.tensor(
    [[1.164383, 0.0, 1.596027], [1.164383, -0.391762, -0.812968], [1.164383, 2.017232, 0.0]]
)
_YUV_ZERO = torch.tensor([16.0, 128.0, 128.0])


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: three planes of a video frame (I420), or one of RGB pixels."""

    pts: int
    """Presentation time in the stream's clock (90 kHz ticks for WebRTC); grows with each frame."""
    planes: tuple[Plane, ...]
    """(Y [H, W], U [H/2, W/2], V [H/2, W/2]) uint8 of limited range, or (RGB [H, W, 3],) uint8.

    Odd sizes round the chroma up. Planes may be views into a decoder's memory, rows may be strided.
    """

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.planes[0].shape[0]

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.planes[0].shape[1]

    def __post_init__(self) -> None:
        first = self.planes[0]
        if len(self.planes) == 1:
            assert first.shape[2:] == (3,), f"RGB plane of shape {first.shape}"
            return
        chroma = ((self.height + 1) // 2, (self.width + 1) // 2)
        assert [p.shape for p in self.planes] == [first.shape, chroma, chroma], "not I420 planes"


def to_input(frame: Frame, size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The frame squashed to a square and normalised, as SAM 2 was trained: [1, 3, size, size]."""
    convert = _from_rgb if len(frame.planes) == 1 else _from_yuv420
    return convert(frame, size, device).to(dtype)


def _from_rgb(frame: Frame, size: int, device: torch.device) -> Tensor:
    """Resized by Pillow's bicubic filter on bytes, as the reference reads recorded video."""
    picture = Image.fromarray(frame.planes[0]).resize((size, size), Image.Resampling.BICUBIC)
    pixels = send(torch.from_numpy(np.array(picture)), device).permute(2, 0, 1)[None].float()
    mean = send_numbers(PIXEL_MEAN, device).view(1, 3, 1, 1)
    std = send_numbers(PIXEL_STD, device).view(1, 3, 1, 1)
    return (pixels / 255.0 - mean) / std


def _from_yuv420(frame: Frame, size: int, device: torch.device) -> Tensor:
    """Resizes the small planes first: colour and normalisation are then one 3x3 product."""
    resize = _resize_on_host if device.type == "cpu" else _resize_on_device
    matrix, bias = _normalised_colour(device)
    planes = resize(frame, size, device).float().flatten(1)
    return torch.addmm(bias[:, None], matrix, planes).view(1, 3, size, size)


def _resize_on_device(frame: Frame, size: int, device: torch.device) -> Tensor:
    """[3, size, size] float in 0..255, antialiased; bytes go over to the device."""
    planes = [send(torch.from_numpy(np.ascontiguousarray(p)), device) for p in frame.planes]
    square = size, size
    return torch.cat(
        [
            F.interpolate(plane[None, None].float(), square, mode="bilinear", antialias=True)[0]
            for plane in planes
        ]
    )


def _resize_on_host(frame: Frame, size: int, device: torch.device) -> Tensor:
    """[3, size, size] bytes, by the same filter: the cheapest way there (eval/RESULTS.md)."""
    picture = VideoFrame(frame.width, frame.height, "yuv420p")
    for room, plane in zip(picture.planes, frame.planes, strict=True):
        rows = np.frombuffer(memoryview(room), np.uint8).reshape(-1, room.line_size)
        rows[: plane.shape[0], : plane.shape[1]] = plane
    # One thread: starting more costs more than they save.
    small = picture.reformat(size, size, "yuv444p", interpolation="BILINEAR", threads=1)
    return torch.from_numpy(small.to_ndarray()).to(device)


def _normalised_colour(device: torch.device) -> tuple[Tensor, Tensor]:
    """The affine map from (Y, U, V) bytes to normalised RGB: matrix [3, 3] and bias [3]."""
    std, mean = torch.tensor(PIXEL_STD), torch.tensor(PIXEL_MEAN)
    matrix = _YUV_TO_RGB / 255.0 / std[:, None]
    bias = -matrix @ _YUV_ZERO - mean / std
    return send(matrix, device), send(bias, device)
