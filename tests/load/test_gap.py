from collections.abc import AsyncIterator, Iterable

import pytest

from load.gap import Gap, until_moved
from streamer.client import Masks, SentFrame
from streamer.masks.mask_frame import MaskFrame

FPS = 10
CLOCKS = (4_294_900_000, 123_456)  # of two connections; the first wraps


def masks(index: int, clock: int) -> Masks:
    rtp = (clock + index * 90_000 // FPS) % (1 << 32)
    return Masks(MaskFrame(index, rtp, 0, None, 0, 0), SentFrame(index, rtp, 0.0), index / FPS)


async def coming(*all_masks: Masks) -> AsyncIterator[Masks]:
    for one in all_masks:
        yield one


def over(clock: int, indices: Iterable[int]) -> list[Masks]:
    return [masks(index, clock) for index in indices]


async def test_a_gap_lies_between_the_masks_of_two_connections():
    first, second = CLOCKS
    gap = await until_moved(coming(*over(first, [3, 4, 7, 8]), *over(second, [22, 23])), FPS)
    assert (gap.frames, gap.most_before, gap.first.sent.index) == (14, 3, 22)
    assert (gap.seconds, gap.longest_before_s) == (pytest.approx(1.4), pytest.approx(0.3))


async def test_masks_of_one_connection_have_no_gap():
    with pytest.raises(ValueError, match="ended"):
        await until_moved(coming(*over(CLOCKS[0], range(0, 40, 13))), FPS)


def test_ten_seconds_are_never_short_and_a_slow_machine_is_given_more():
    quiet, slow = (Gap(100, 10.0, most, 0.1, 0.0, masks(0, 0)) for most in (1, 5))
    assert quiet.allowed(3, FPS) < quiet.frames
    assert quiet.allowed(1, FPS) == 30
    assert slow.allowed(3, FPS) == 110
