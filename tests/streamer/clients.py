"""What clients of several tests send and wait for."""

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np

from streamer.client import (
    Client,
    Masks,
)

WIDTH, HEIGHT, FPS = 320, 192, 30


LEVELS = 12


async def grey_frames(count: int = 10_000) -> AsyncIterator[av.VideoFrame]:
    """Flat pictures, each at its time; the brightness says the index modulo LEVELS."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for index in range(count):
        level = 30 + 16 * (index % LEVELS)
        rgb = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        await asyncio.sleep(began_s + index / FPS - loop.time())
        yield frame


async def masks_with(client: Client, *track_ids: int) -> Masks:
    """The first mask frame that holds just these tracks."""
    async with asyncio.timeout(10):
        async for masks in client.masks():
            if tuple(item.track_id for item in masks.frame.objects) == track_ids:
                return masks
    raise AssertionError("the masks ended")


async def to_the_end(client: Client) -> None:
    async with asyncio.timeout(10):
        async for _ in client.masks():
            pass
