import asyncio
from fractions import Fraction

import av
import pytest
from aiortc.mediastreams import MediaStreamError

from streamer.client.track import MAX_REMEMBERED, SentVideo

ORIGIN = (1 << 32) - 5000  # close to the end, so that it wraps


class Sender:
    """The private names of aiortc's RTCRtpSender that tell the time."""

    def __init__(self) -> None:
        self.__packet_count = 0
        self.__rtp_timestamp = 0

    def send(self, frame: av.VideoFrame) -> int:
        self.__packet_count += 1
        self.__rtp_timestamp = (ORIGIN + frame.pts) % (1 << 32)
        return self.__rtp_timestamp


def bound() -> tuple[SentVideo, Sender]:
    sent, sender = SentVideo(), Sender()
    sent.bind(sender)
    return sent, sender


async def frames(count: int, fps: int = 30):
    for index in range(count):
        frame = av.VideoFrame(16, 16)
        frame.pts, frame.time_base = index, Fraction(1, fps)
        yield frame
        await asyncio.sleep(0)


async def test_a_sent_frame_is_found_by_its_rtp_timestamp():
    sent, sender = bound()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sent.pump(frames(4)))
        on_the_wire = [sender.send(await sent.recv()) for _ in range(4)]
    assert [sent.find(rtp).index for rtp in on_the_wire] == [0, 1, 2, 3]
    assert on_the_wire == [(ORIGIN + 3000 * index) % (1 << 32) for index in range(4)]
    assert sent.find(on_the_wire[0] + 1) is None


async def test_nothing_is_found_before_a_frame_is_on_the_wire():
    sent, _ = bound()
    assert sent.find(ORIGIN) is None


async def test_a_newer_frame_replaces_one_that_was_not_encoded():
    sent, sender = bound()
    await sent.pump(frames(5))
    rtp_timestamp = sender.send(await sent.recv())
    assert sent.find(rtp_timestamp).index == 4
    assert (sent.num_sent, sent.dropped) == (1, 4)


async def test_the_track_ends_with_its_source():
    sent, _ = bound()
    await sent.pump(frames(0))
    with pytest.raises(MediaStreamError):
        await sent.recv()
    assert sent.readyState == "ended"


async def test_frames_without_a_time_get_that_of_their_capture():
    async def untimed():
        for _ in range(2):
            yield av.VideoFrame(16, 16)
            await asyncio.sleep(0.02)

    sent, _ = bound()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sent.pump(untimed()))
        first, second = await sent.recv(), await sent.recv()
    assert second.pts - first.pts >= 0.02 * 90_000


async def test_time_never_stands_still():
    async def stuck():
        for _ in range(3):
            frame = av.VideoFrame(16, 16)
            frame.pts, frame.time_base = 7, Fraction(1, 30)
            yield frame
            await asyncio.sleep(0)

    sent, _ = bound()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sent.pump(stuck()))
        ticks = [(await sent.recv()).pts for _ in range(3)]
    assert ticks == [21_000, 21_001, 21_002]


async def test_a_bounded_number_of_frames_is_remembered():
    sent, sender = bound()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sent.pump(frames(MAX_REMEMBERED + 1)))
        on_the_wire = [sender.send(await sent.recv()) for _ in range(MAX_REMEMBERED + 1)]
    assert sent.find(on_the_wire[0]) is None
    assert sent.find(on_the_wire[1]).index == 1
