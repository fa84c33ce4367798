from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt
from streamer.masks import mask_frame
from streamer.masks.mask_reader import MAX_BYTES, MaskReader, Stepped
from streamer.session.viewer import Arrival


@pytest.fixture
def painter() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as painter:
        yield painter


def steps(count: int) -> list[Stepped]:
    """Of one stream, with two discs from the first on."""
    engine = FakeEngine()
    stream_id = engine.open()
    made = []
    for pts in range(count):
        planes = tuple(np.zeros(size, np.uint8) for size in ((96, 128), (48, 64), (48, 64)))
        frame = Frame(pts, planes)
        prompts = tuple(Prompt(n, points=(Point(0.3 * n, 0.5),)) for n in (1, 2))
        (result,) = engine.step([StepRequest(stream_id, frame, prompts if pts == 0 else ())])
        made.append(Stepped(Arrival(frame, 1000 + pts, 0.0), result, None))
    return made


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
