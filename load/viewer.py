"""Viewer: one headless viewer, who sends a moving pattern and reads all that comes back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.plane import VideoPlane

from streamer.client import Client, ClientStats, Point


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a viewer sends."""

    width: int = 640
    height: int = 360
    fps: int = 30

    async def frames(self) -> AsyncIterator[av.VideoFrame]:
        """For ever, each at its time: stripes that drift, with some grain for the codec."""
        loop = asyncio.get_running_loop()
        grain = np.random.default_rng(0).integers(0, 12, (self.height, self.width), np.uint8)
        columns, rows = np.arange(self.width), np.arange(self.height)[:, None]
        began_s = loop.time()
        index = 0
        while True:
            wave = 110 + 70 * np.sin((columns + 3 * index) / 40 + rows / 90)
            frame = av.VideoFrame(self.width, self.height, "yuv420p")
            _fill(frame.planes[0], wave.astype(np.uint8) + grain)
            for plane in (frame.planes[1], frame.planes[2]):
                _fill(plane, np.full((plane.height, plane.width), 128, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, self.fps)
            await asyncio.sleep(began_s + index / self.fps - loop.time())
            yield frame
            index += 1


def _fill(plane: VideoPlane, pixels: np.ndarray) -> None:
    """Rows of a plane may be padded."""
    room = np.zeros((plane.height, plane.line_size), np.uint8)
    room[:, : plane.width] = pixels
    plane.update(room.tobytes())


async def view(url: str, pattern: Pattern, tracks: int, seconds: float) -> ClientStats:
    """Watches for a while and follows tracks; returns what was counted. Raises ClientError."""
    async with Client(url, pattern.frames()) as client:
        for track_id in range(1, tracks + 1):
            place = Point(track_id / (tracks + 1), 0.5)
            await client.prompt(track_id, points=[place])
        parts = (client.masks(), client.video())
        readers = [asyncio.create_task(_read(part)) for part in parts]
        try:
            done, _ = await asyncio.wait(
                readers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
            )
        finally:
            for reader in readers:
                reader.cancel()
        await asyncio.gather(*done)
        return client.stats


async def _read(arrivals: AsyncIterator[object]) -> None:
    async for _ in arrivals:
        pass
