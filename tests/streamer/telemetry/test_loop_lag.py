import asyncio
import time

from fake_viewer import eventually

from streamer.telemetry.loop_lag import measure_lag
from streamer.telemetry.metrics import Metrics


async def test_what_keeps_the_loop_shows_as_its_longest_delay():
    metrics = Metrics()
    measuring = asyncio.create_task(measure_lag(metrics))
    await asyncio.sleep(0)
    time.sleep(0.3)  # noqa: ASYNC251 (the loop is kept on purpose)
    sample = metrics.registry.get_sample_value
    await eventually(lambda: (sample("streamer_loop_lag_seconds") or 0) >= 0.2)
    measuring.cancel()


async def test_every_delay_is_counted():
    metrics = Metrics()
    measuring = asyncio.create_task(measure_lag(metrics))
    sample = metrics.registry.get_sample_value
    await eventually(lambda: sample("streamer_loop_delay_seconds_count") >= 3)
    measuring.cancel()
    assert sample("streamer_loop_delay_seconds_sum") >= 0
