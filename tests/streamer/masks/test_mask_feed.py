import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_viewer import eventually
from steps import Noisy, steps

from sam2_rt.engine import StepRequest
from streamer.masks import mask_frame
from streamer.masks.mask_budget import MESSAGE_BYTES, RATE_BYTES_PER_S
from streamer.masks.mask_feed import MaskFeed, Stepped


class Channel:
    """One who watches."""

    wants_masks = True

    def __init__(self) -> None:
        self.messages: list[bytes | str] = []
        self.has_room = True

    def send_masks(self, message: bytes | str) -> bool:
        if self.has_room:
            self.messages.append(message)
        return self.has_room

    def out_rtp(self, pts: int) -> int:
        return 7000 + pts


@pytest.fixture
def painter() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as painter:
        yield painter


async def test_masks_name_the_receiver_s_own_pictures_and_what_was_dropped_since(
    painter: ThreadPoolExecutor,
):
    skipped, channel = 4, Channel()
    feed = MaskFeed(channel, painter, lambda: skipped)
    running = asyncio.create_task(feed.run())
    first, second = steps(2)
    feed.put(first)
    await eventually(lambda: len(channel.messages) == 1)
    skipped = 9
    feed.put(second)
    await eventually(lambda: len(channel.messages) == 2)
    told = [mask_frame.decode(message) for message in channel.messages]
    assert [(f.in_rtp, f.out_rtp, f.dropped) for f in told] == [(1000, 7000, 0), (1001, 7001, 5)]
    running.cancel()


async def test_what_one_gets_is_held_to_the_budget_and_what_is_left_out_is_told(
    painter: ThreadPoolExecutor,
):
    engine, channel, dropped = Noisy(), Channel(), []
    stream_id = engine.open()
    feed = MaskFeed(channel, painter, lambda: 0, on_drop=lambda: dropped.append(1))
    running = asyncio.create_task(feed.run())
    began_s = time.monotonic()
    for stepped in steps(40):
        (result,) = engine.step([StepRequest(stream_id, stepped.arrival.frame)])
        feed.put(Stepped(stepped.arrival, result, None))
        await asyncio.sleep(0.002)
    await eventually(lambda: len(channel.messages) + len(dropped) == 40)
    allowed = 2 * MESSAGE_BYTES + RATE_BYTES_PER_S * (time.monotonic() - began_s)
    assert sum(map(len, channel.messages)) <= allowed
    assert max(map(len, channel.messages)) <= MESSAGE_BYTES
    assert dropped
    running.cancel()


async def test_a_channel_that_is_full_is_left_alone_and_one_that_is_closed_gets_nothing(
    painter: ThreadPoolExecutor,
):
    channel, dropped = Channel(), []
    feed = MaskFeed(channel, painter, lambda: 0, on_drop=lambda: dropped.append(1))
    running = asyncio.create_task(feed.run())
    one, two, three = steps(3)
    channel.has_room = False
    feed.put(one)
    await eventually(lambda: len(dropped) == 1)
    channel.has_room = True
    feed.put(two)
    await eventually(lambda: len(dropped) == 2)
    assert channel.messages == [], "the bucket is empty"
    channel.wants_masks = False
    feed.put(three)
    await asyncio.sleep(0)
    assert feed._newest.dropped == 0
    assert channel.messages == []
    running.cancel()


async def test_masks_come_as_text_to_who_wants_them_so(painter: ThreadPoolExecutor):
    channel = Channel()
    feed = MaskFeed(channel, painter, lambda: 0)
    feed.is_text = True
    running = asyncio.create_task(feed.run())
    feed.put(steps(1)[0])
    await eventually(lambda: bool(channel.messages))
    assert isinstance(channel.messages[0], str)
    assert len(channel.messages[0]) <= MESSAGE_BYTES
    running.cancel()
