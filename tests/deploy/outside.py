"""A viewer outside the container."""

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import numpy as np

from streamer.client import Client, Point


async def frames() -> AsyncIterator[av.VideoFrame]:
    """A bright disc on a dark ground."""
    y, x = np.mgrid[:192, :320]
    disc = (x - 160) ** 2 + (y - 96) ** 2 < 50**2
    picture = np.where(disc[..., None], (230, 60, 40), (20, 30, 40)).astype(np.uint8)
    for index in range(10_000):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, 15)
        yield frame
        await asyncio.sleep(1 / 15)


async def get_a_mask(url: str) -> None:
    """Clicks the disc, and returns once a mask that is not empty came."""
    async with asyncio.timeout(120), Client(url, frames()) as client:
        await client.prompt(1, points=[Point(0.5, 0.5)])
        async for masks in client.masks():
            if any(track.mask.any() for track in masks.frame.objects):
                return
    raise AssertionError("the service ended the session")
