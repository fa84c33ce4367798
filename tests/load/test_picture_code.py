from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs import CODECS, depayload, get_decoder, get_encoder
from aiortc.jitterbuffer import JitterFrame

from load.picture_code import NUM_CODES, draw, read


def grey(width: int, height: int) -> av.VideoFrame:
    picture = av.VideoFrame(width, height, "yuv420p")
    for plane in picture.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 128
    return picture


@pytest.mark.parametrize("size", [(96, 64), (640, 360), (65, 33)])
@pytest.mark.parametrize("number", [0, 1, 682, NUM_CODES - 1])
def test_what_is_drawn_is_read(size: tuple[int, int], number: int):
    picture = grey(*size)
    assert read(picture) is None
    draw(picture, number + NUM_CODES)
    assert read(picture) == number


def test_it_survives_the_codec_of_the_link():
    vp8 = CODECS["video"][0]
    encoder, decoder = get_encoder(vp8), get_decoder(vp8)
    seen = []
    for number in range(500, 530):
        picture = grey(96, 64)
        draw(picture, number)
        picture.pts, picture.time_base = 3000 * number, Fraction(1, 90_000)
        payloads, timestamp = encoder.encode(picture)
        data = b"".join(depayload(vp8, payload) for payload in payloads)
        seen += [read(frame) for frame in decoder.decode(JitterFrame(data, timestamp))]
    assert seen == list(range(500, 530))


def test_a_damaged_number_is_none():
    picture = grey(640, 360)
    draw(picture, 5)
    lines = np.frombuffer(memoryview(picture.planes[0]), np.uint8).reshape(360, -1)
    lines[-16:, 64:128] = 220
    assert read(picture) is None
