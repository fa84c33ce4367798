import asyncio
import math
import sys
from dataclasses import replace
from subprocess import PIPE

import pytest
from fake_viewer import eventually
from served import serving

from fake_engine import FakeEngine
from load.scene import Ball, Pattern
from load.viewer import Viewer, viewing
from sam2_rt.engine import StepRequest, StepResult, TrackState
from streamer.client import ConnectionLost


async def count_masks(viewer: Viewer, number: int) -> None:
    """Of frames after the click: before it, some may have waited."""
    await viewer.watch(0.5)
    viewer.forget()
    async with asyncio.timeout(60):
        while len(viewer.latencies_s) < number:
            await viewer.watch(0.1)


async def test_a_viewer_follows_tracks_and_reads_all_that_comes_back():
    async with (
        serving(FakeEngine) as served,
        viewing(served.url, Pattern(160, 96), tracks=2) as viewer,
    ):
        await count_masks(viewer, 10)
        stats = viewer.client.stats
        assert stats.masks >= 10
        assert stats.pictures > 0
        assert stats.unreadable == 0
        assert viewer.in_sight == 1
        viewer.forget()
        assert math.isnan(viewer.in_sight)


async def test_the_click_is_on_the_ball_where_it_was_in_the_frame_that_it_names():
    engine = FakeEngine()
    scene = Ball(160, 96)
    async with serving(lambda: engine) as served, viewing(served.url, scene, tracks=1):
        (stream,) = engine.streams.values()
        x, y = stream.centres[1]
        frames = range(len(scene.round()))
        assert any(scene.places(index, 1)[0].x == pytest.approx(x) for index in frames)
        assert scene.places(0, 1)[0].y == pytest.approx(y, abs=0.2)


class Blinking(FakeEngine):
    """Every other frame its tracks are hidden."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        result = super()._step(request)
        if result.index % 2:
            return result
        hidden = tuple(replace(one, state=TrackState.OCCLUDED) for one in result.masks)
        return replace(result, masks=hidden)


async def test_frames_in_which_a_track_is_hidden_or_nothing_is_followed_are_not_in_sight():
    async with serving(Blinking) as served:
        async with viewing(served.url, Pattern(160, 96), tracks=1) as viewer:
            await count_masks(viewer, 10)
            assert 0.2 < viewer.in_sight < 0.8
        async with viewing(served.url, Pattern(160, 96), tracks=0) as viewer:
            await count_masks(viewer, 3)
            assert viewer.in_sight == 0


async def test_a_session_that_is_lost_raises_the_client_s_own_error():
    engine = FakeEngine()
    async with (
        serving(lambda: engine) as served,
        viewing(served.url, Pattern(160, 96), tracks=1) as viewer,
    ):
        await eventually(lambda: any(s.centres for s in engine.streams.values()))
        served.service.begin_stop()
        with pytest.raises(ConnectionLost):
            await viewer.watch(60)


async def test_the_program_says_what_one_viewer_got():
    async with serving(FakeEngine) as served:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "load.viewer", "--url", served.url, "--seconds", "2",
            "--width", "96", "--height", "64", "--output", "overlay", stdout=PIPE,
        )  # fmt: skip
        words, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0
    assert words.decode().startswith("96x64@30 overlay: ")
    assert "in sight in 100% of the frames" in words.decode(), words.decode()
