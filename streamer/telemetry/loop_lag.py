"""How long the event loop keeps what is due waiting."""

import asyncio
import time
from typing import Final

from streamer.telemetry.metrics import Metrics

_TICK_S: Final = 0.05
_WINDOW_TICKS: Final = 20


async def measure_lag(metrics: Metrics) -> None:
    """A timer that fires late shows what keeps the event loop from its work.

    Counts each delay and sets the longest of each second, in seconds, until it is cancelled.
    """
    while True:
        longest_s = 0.0
        for _ in range(_WINDOW_TICKS):
            due_s = time.monotonic() + _TICK_S
            await asyncio.sleep(_TICK_S)
            # The clocks of the loop and of the system need not round alike.
            delay_s = max(0.0, time.monotonic() - due_s)
            metrics.loop_delay_seconds.observe(delay_s)
            longest_s = max(longest_s, delay_s)
        metrics.loop_lag_seconds.set(longest_s)
