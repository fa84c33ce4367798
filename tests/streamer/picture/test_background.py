import io

import numpy as np
import pytest
from PIL import Image

from streamer.picture.background import MAX_PIXELS, fill, read_image
from streamer.protocol import ProtocolError


def file_of(picture: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_kinds_of_the_web_are_read(kind: str):
    image = read_image(file_of(Image.new("RGB", (30, 20), (200, 40, 90)), kind))
    assert (image.shape, image.dtype) == ((20, 30, 3), np.uint8)
    assert np.abs(image.astype(int) - (200, 40, 90)).max() <= 6


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "1"])
def test_any_pixels_become_rgb(mode: str):
    assert read_image(file_of(Image.new(mode, (4, 4)))).shape == (4, 4, 3)


def test_a_photograph_from_a_phone_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert read_image(file_of(Image.new("RGB", (30, 20)), "JPEG", exif=exif)).shape == (30, 20, 3)


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"no picture",
        file_of(Image.new("RGB", (8, 8)), "GIF"),
        file_of(Image.effect_noise((64, 64), 50))[:-300],
        file_of(Image.effect_noise((64, 64), 50), "JPEG")[:-300],
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 64,
    ],
)
def test_what_is_no_picture_is_a_bad_image(file: bytes):
    with pytest.raises(ProtocolError) as caught:
        read_image(file)
    assert caught.value.code == "bad_image"


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    file = file_of(Image.new("L", (4096, MAX_PIXELS // 4096 + 1)))
    assert len(file) < 5000
    with pytest.raises(ProtocolError, match="at most"):
        read_image(file[:200])  # no pixel of it is there


def test_it_fills_the_frame_and_loses_what_lies_beyond():
    image = np.zeros((100, 100, 3), np.uint8)
    image[25:75] = 255
    y, u, v = fill(image, 36, 72)
    assert [p.shape for p in (y, u, v)] == [(36, 72), (18, 36), (18, 36)]
    assert (y[4:-4] == 235).all()
    assert (u == 128).all()
    assert (v == 128).all()


def test_its_colours_are_those_of_limited_range():
    planes = fill(np.full((9, 9, 3), (255, 0, 0), np.uint8), 7, 5)
    assert [p.shape for p in planes] == [(7, 5), (4, 3), (4, 3)]
    for plane, wanted in zip(planes, (81, 90, 240), strict=True):  # red in BT.601
        assert np.abs(plane.astype(int) - wanted).max() <= 1
