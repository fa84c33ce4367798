from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from steps import steps

from streamer.masks import mask_frame
from streamer.masks.mask_reader import MAX_BYTES, MaskReader


@pytest.fixture
def painter() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as painter:
        yield painter


async def test_a_reader_who_is_slow_gets_the_newest_frame_only(painter: ThreadPoolExecutor):
    skipped = 3
    reader = MaskReader(painter, lambda: skipped, lambda pts: 50 + pts, is_text=False)
    for stepped in steps(4):
        reader.put(stepped)
    skipped = 5
    frame = mask_frame.decode(await reader.read())
    assert (frame.index, frame.in_rtp, frame.out_rtp, frame.dropped) == (3, 1003, 53, 2)
    reader.put(steps(6)[-1])
    assert mask_frame.decode(await reader.read()).dropped == 0, "those were told before"


@pytest.mark.parametrize("is_text", [False, True])
async def test_messages_have_a_bound(painter: ThreadPoolExecutor, *, is_text: bool):
    reader = MaskReader(painter, lambda: 0, lambda _: 0, is_text=is_text)
    reader.put(steps(1)[0])
    assert 0 < len(await reader.read()) <= MAX_BYTES
