import asyncio

import numpy as np
import pytest
from fake_viewer import eventually
from served import serving

from fake_engine import FakeEngine
from load.viewer import Pattern, view
from streamer.client import ConnectionLost


async def test_the_pattern_moves_and_keeps_its_size_and_pace():
    frames = Pattern(96, 64, fps=100).frames()
    first, second = await anext(frames), await anext(frames)
    await frames.aclose()
    assert (first.width, first.height, second.pts - first.pts) == (96, 64, 1)
    assert not np.array_equal(first.to_ndarray(), second.to_ndarray())


async def test_a_viewer_follows_tracks_and_reads_all_that_comes_back():
    async with serving(FakeEngine) as served:
        stats = await view(served.url, Pattern(160, 96), tracks=2, seconds=1.5)
    assert stats.masks > 10
    assert stats.pictures > 5
    assert stats.unreadable == 0


async def test_a_session_that_is_lost_raises_the_client_s_own_error():
    engine = FakeEngine()
    async with serving(lambda: engine) as served:
        viewing = asyncio.create_task(view(served.url, Pattern(160, 96), tracks=1, seconds=60))
        await eventually(lambda: any(s.centres for s in engine.streams.values()))
        served.service.begin_stop()
        with pytest.raises(ConnectionLost):
            await viewing
