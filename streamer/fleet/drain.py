"""Drain: asks a pod's viewers to go elsewhere, spread over time."""

import asyncio
import logging
from collections.abc import Sequence

from streamer.session.handover import MigrateMessage
from streamer.session.stay import Stay

log = logging.getLogger(__name__)


async def tell_to_leave(
    stays: Sequence[Stay], seconds_left: float, spread_s: float, url: str | None
) -> None:
    """Tells each to go to the URL, or where it came from, with its newest token.

    The last is told after spread_s, at most half of the time left: so many offers at once would
    fill the pods that they go to, and have all objects begin anew in the same moment.
    """
    log.info("draining: %s sessions have %.0f s", len(stays), seconds_left)
    pause_s = min(spread_s, seconds_left / 2) / max(1, len(stays) - 1)
    for row, stay in enumerate(stays):
        if row:
            await asyncio.sleep(pause_s)
        left_s = seconds_left - row * pause_s
        stay.teller.tell_now()
        stay.viewer.say(MigrateMessage(seconds=left_s, url=url).model_dump_json())
