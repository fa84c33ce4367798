"""The service with its engine in a process of its own, which is killed under a live client."""

import os
import signal

from clients import grey_frames
from fake_viewer import eventually
from served import serving
from test_client_resume import TRACK, goes_on, track_something

from fake_engine import FakeEngine
from sam2_rt.remote.engine_process import EngineProcess
from streamer.client import Client

MAX_PIXELS = 1280 * 720


async def test_a_client_keeps_its_track_and_its_session_when_the_engine_is_killed():
    with EngineProcess(FakeEngine, MAX_PIXELS) as process:
        async with serving(process.connect) as served, Client(served.url, grey_frames()) as client:
            await track_something(client)
            dead = process.pid
            assert dead is not None
            os.kill(dead, signal.SIGKILL)
            metrics = served.service.metrics.registry
            lost = "streamer_engines_lost_total"
            await eventually(lambda: metrics.get_sample_value(lost) == 1)
            await eventually(lambda: served.service.is_ready)
            assert process.pid != dead
            before = client.stats.masks
            async for masks in client.masks():
                if client.stats.masks > before + 2 and masks.frame.objects:
                    break
            goes_on(masks)
            assert masks.frame.objects[0].track_id == TRACK
            assert client.stats.moves == 0, "it never had to connect again"
            assert served.service.num_open == 1
