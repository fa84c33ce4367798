import numpy as np
import pytest
import torch
from av import VideoFrame

from sam2_rt.model.config import PIXEL_MEAN, PIXEL_STD
from sam2_rt.tracking.frame import Frame, _resize_on_device, _resize_on_host, to_input

CPU = torch.device("cpu")


def scene(width: int = 96, height: int = 64) -> np.ndarray:
    """A smooth picture, which chroma at half the size can carry."""
    y, x = np.mgrid[:height, :width]
    channels = [x * 200 / width + 20, y * 200 / height + 20, 120 + 80 * np.sin(x / 30)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def yuv420(rgb: np.ndarray) -> Frame:
    """The picture as a decoder would hand it over."""
    height, width = rgb.shape[:2]
    picture = VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU601"
    )
    planes = []
    for i, plane in enumerate(picture.planes):
        rows = (height, (height + 1) // 2)[i > 0]
        columns = (width, (width + 1) // 2)[i > 0]
        planes.append(np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:rows, :columns])
    return Frame(0, tuple(planes))


def pixels_of(frame: Frame, size: int) -> np.ndarray:
    """What the model sees, back in 0..255: [size, size, 3]"""
    pixels = to_input(frame, size, CPU, torch.float32)[0].permute(1, 2, 0)
    return ((pixels * torch.tensor(PIXEL_STD) + torch.tensor(PIXEL_MEAN)) * 255).numpy()


def test_video_planes_reach_the_model_as_the_picture_does():
    rgb = scene()
    error = np.abs(pixels_of(yuv420(rgb), 64) - pixels_of(Frame(0, (rgb,)), 64))
    assert error.mean() < 1.5
    assert np.quantile(error, 0.99) < 6


def test_a_square_picture_of_the_right_size_is_only_normalised():
    rgb = scene(64, 64)
    np.testing.assert_allclose(pixels_of(Frame(0, (rgb,)), 64), rgb, atol=1e-3)


@pytest.mark.parametrize(("width", "height"), [(97, 65), (64, 33), (33, 64)])
def test_odd_sizes_round_the_chroma_up(width: int, height: int):
    frame = yuv420(scene(width, height))
    assert (frame.width, frame.height) == (width, height)
    assert to_input(frame, 32, CPU, torch.float32).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(("width", "height"), [(97, 65), (640, 360), (33, 180)])
@pytest.mark.parametrize("size", [64, 320])
def test_host_and_device_resize_alike(width: int, height: int, size: int):
    """By different libraries, to half a byte's rounding."""
    frame = yuv420(scene(width, height))
    host = _resize_on_host(frame, size, CPU).float()
    device = _resize_on_device(frame, size, CPU)
    assert host.shape == device.shape == (3, size, size)
    assert (host - device).abs().mean() < 0.5
    assert (host - device).abs().max() < 2


def test_planes_may_be_views_with_gaps_between_rows_and_columns():
    whole = yuv420(scene(96, 64))
    wide = [np.zeros((p.shape[0], 2 * p.shape[1]), np.uint8)[:, ::2] for p in whole.planes]
    for view, plane in zip(wide, whole.planes, strict=True):
        view[:] = plane
    views = Frame(0, tuple(wide))
    assert torch.equal(
        to_input(views, 32, CPU, torch.float32), to_input(whole, 32, CPU, torch.float32)
    )


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (2, 2), (5, 1)])
def test_the_smallest_pictures_fill_the_input(width: int, height: int):
    shapes = [(height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2]
    planes = tuple(
        np.full(shape, value, np.uint8)
        for shape, value in zip(shapes, (235, 128, 128), strict=True)
    )
    np.testing.assert_allclose(pixels_of(Frame(0, planes), 64), 255, atol=0.5)


def test_black_and_white_are_black_and_white():
    for luma, expected in [(16, 0), (235, 255)]:
        planes = [
            np.full(s, v, np.uint8) for s, v in [((8, 8), luma), ((4, 4), 128), ((4, 4), 128)]
        ]
        np.testing.assert_allclose(pixels_of(Frame(0, tuple(planes)), 32), expected, atol=0.5)


def test_planes_that_do_not_fit_together_are_a_fault():
    luma, chroma = np.zeros((8, 8), np.uint8), np.zeros((4, 3), np.uint8)
    with pytest.raises(AssertionError, match="I420"):
        Frame(0, (luma, chroma, chroma))


def test_the_input_takes_the_type_of_the_model():
    frame = Frame(0, (scene(),))
    assert to_input(frame, 32, CPU, torch.bfloat16).dtype is torch.bfloat16
