from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.masks import mask_frame
from streamer.masks.mask_budget import MESSAGE_BYTES
from streamer.masks.mask_frame import MaskFrame, MaskFrameError, ObjectMask, ObjectState

HEIGHT, WIDTH = 360, 640


def ellipse(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.bool_]:
    y, x = np.ogrid[:height, :width]
    away: NDArray[np.float64] = (x / width - 0.4) ** 2 / 0.04 + (y / height - 0.5) ** 2 / 0.09
    return away < 1


def noise(seed: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((height, width)) < 0.5


def frame(*masks: NDArray[np.bool_]) -> MaskFrame:
    objects = tuple(
        ObjectMask(row + 1, ObjectState.VISIBLE, 0.8, 0.6, mask) for row, mask in enumerate(masks)
    )
    return MaskFrame(7, 4_000_000_000, 12, 3, 40, 2, objects)


def test_the_header_has_these_bytes():
    message = mask_frame.encode(frame(), HEIGHT, WIDTH)
    assert message.hex(" ", 4) == (
        "534d534b 01020020 07000000 00286bee 0c000000 03000000 4001b400 28000200"
    )


def test_an_object_has_these_bytes():
    mask = np.zeros((4, 4), np.bool_)
    mask[1:3, 1:] = True
    message = mask_frame.encode(frame(mask), 4, 4)
    # id 1, visible, runs, 204, 153; x y w h 1 1 3 2; area 6; 3 bytes: runs 0, 3, 3.
    assert message[32:].hex() == "01000001cc990100010003000200060000000300000303"


def test_decode_gives_back_what_encode_took():
    original = frame(ellipse(), np.zeros((HEIGHT, WIDTH), np.bool_))
    decoded = mask_frame.decode(mask_frame.encode(original, HEIGHT, WIDTH))
    assert (decoded.index, decoded.in_rtp, decoded.out_rtp) == (7, 4_000_000_000, 12)
    assert (decoded.prompt_seq, decoded.age_ms, decoded.dropped) == (3, 40, 2)
    assert (decoded.grid_width, decoded.grid_height) == (320, 180)
    assert np.array_equal(decoded.objects[0].mask, ellipse()[1::2, 1::2])
    assert not decoded.objects[1].mask.any()
    assert decoded.objects[0].iou == pytest.approx(0.8, abs=1 / 255)
    assert decoded.objects[0].presence == pytest.approx(0.6, abs=1 / 255)
    assert not decoded.is_overloaded


@pytest.mark.parametrize("state", list(ObjectState))
def test_a_state_survives(state: ObjectState):
    item = ObjectMask(65_535, state, float("nan"), 2.0, ellipse())
    message = mask_frame.encode(replace(frame(), objects=(item,)), HEIGHT, WIDTH)
    (decoded,) = mask_frame.decode(message).objects
    assert (decoded.track_id, decoded.state) == (65_535, state)
    assert (decoded.iou, decoded.presence) == (0.0, 1.0)


def test_no_prompt_and_long_ages_have_their_own_numbers():
    original = replace(frame(), prompt_seq=None, age_ms=100_000, dropped=70_000)
    decoded = mask_frame.decode(mask_frame.encode(original, HEIGHT, WIDTH))
    assert (decoded.prompt_seq, decoded.age_ms, decoded.dropped) == (None, 65_535, 65_535)


def test_a_message_can_be_given_its_age_last():
    message = mask_frame.encode(frame(), HEIGHT, WIDTH)
    assert mask_frame.with_age(message, 77) == mask_frame.encode(
        replace(frame(), age_ms=77), HEIGHT, WIDTH
    )
    assert mask_frame.decode(mask_frame.with_age(message, 1 << 20)).age_ms == 0xFFFF


def test_a_message_that_is_too_long_gets_a_coarser_grid():
    message = mask_frame.encode(
        frame(*[ellipse()] * 4, noise(1)[:, ::-1] & ellipse()), HEIGHT, WIDTH
    )
    decoded = mask_frame.decode(message)
    assert len(message) <= MESSAGE_BYTES
    assert decoded.is_overloaded
    assert decoded.grid_width < 320
    assert len(decoded.objects) == 5


def test_a_message_stays_within_its_room_whatever_the_masks_are():
    for room in (2500, 1200, 600):
        message = mask_frame.encode(frame(*map(noise, range(12))), HEIGHT, WIDTH, room)
        assert len(message) <= room
        assert mask_frame.decode(message).is_overloaded


def test_objects_for_which_there_is_no_room_take_turns():
    noises = [noise(seed, 64, 64) for seed in range(30)]
    seen = set()
    for index in range(30):
        message = mask_frame.encode(replace(frame(*noises), index=index), 64, 64)
        ids = [item.track_id for item in mask_frame.decode(message).objects]
        assert ids == sorted(ids)
        assert 1 < len(ids) < 30
        seen |= set(ids)
    assert seen == set(range(1, 31))


def damaged(offset: int, *values: int) -> bytes:
    message = bytearray(mask_frame.encode(frame(ellipse()), HEIGHT, WIDTH))
    message[offset : offset + len(values)] = values
    return bytes(message)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "0 bytes"),
        (b"x" * 20_000, "20000 bytes"),
        (damaged(0, 0), "no SMSK message"),
        (damaged(4, 2), "no SMSK message"),
        (damaged(6, 2), "an object's head"),
        (damaged(6, 0), "objects end at 32"),
        (damaged(7, 31), "no SMSK message"),
        (damaged(24, 0, 0), "a grid of 0 x 180"),
        (damaged(24, 255, 255), "a grid of 65535"),
        (damaged(34, 3), "state 3"),
        (damaged(35, 9), "codec 9"),
        (damaged(38, 255, 1), "box"),
        (damaged(42, 0, 0), "box"),
        (damaged(46, 0), "area"),
        (damaged(50, 255, 255), "a payload of 65535"),
        (damaged(52, 255), "run lengths"),
    ],
)
def test_a_damaged_message_is_refused(message: bytes, reason: str):
    with pytest.raises(MaskFrameError, match=reason):
        mask_frame.decode(message)


def test_random_damage_is_refused_or_read_but_never_worse():
    random = np.random.default_rng(11)
    message = np.frombuffer(mask_frame.encode(frame(ellipse()), HEIGHT, WIDTH), np.uint8)
    num_refused = 0
    for _ in range(500):
        copy = message.copy()
        copy[random.integers(0, copy.size, 3)] = random.integers(0, 256, 3)
        try:
            mask_frame.decode(copy.tobytes())
        except MaskFrameError:
            num_refused += 1
    assert num_refused > 250
