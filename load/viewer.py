"""Viewer: one headless viewer, who sends a moving pattern and reads all that comes back."""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

import av
import numpy as np
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from load.picture_code import NUM_CODES, draw, read
from streamer.client import Client, ClientStats, Point

_ROUND: Final = 60
"""Pictures until the stripes are where they were."""
_KEPT_LATENCIES: Final = 20_000
"""Minutes of frames."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a viewer sends, and gets back."""

    width: int = 640
    height: int = 360
    fps: int = 30
    output: str | None = None
    """A mode of the service; None: what it does by itself."""

    async def frames(self) -> AsyncIterator[av.VideoFrame]:
        """For ever, each at its time: stripes that drift, with some grain for the codec."""
        loop = asyncio.get_running_loop()
        pictures = _luma(self.width, self.height)
        began_s = loop.time()
        index = 0
        while True:
            frame = av.VideoFrame(self.width, self.height, "yuv420p")
            _fill(frame.planes[0], pictures[index % len(pictures)])
            for plane in (frame.planes[1], frame.planes[2]):
                _fill(plane, np.full((plane.height, plane.width), 128, np.uint8))
            draw(frame, index)
            frame.pts, frame.time_base = index, Fraction(1, self.fps)
            await asyncio.sleep(began_s + index / self.fps - loop.time())
            yield frame
            index += 1


@lru_cache(maxsize=4)
def _luma(width: int, height: int) -> tuple[NDArray[np.uint8], ...]:
    """One round of the stripes' drift, [height, width] each; made once for all viewers."""
    grain = np.random.default_rng(0).integers(0, 12, (height, width), np.uint8)
    columns, rows = np.arange(width), np.arange(height)[:, None]
    waves = (
        110 + 70 * np.sin(columns / 40 + rows / 90 + 2 * np.pi * index / _ROUND)
        for index in range(_ROUND)
    )
    return tuple(wave.astype(np.uint8) + grain for wave in waves)


def _fill(plane: VideoPlane, pixels: NDArray[np.uint8]) -> None:
    """Rows of a plane may be padded."""
    room = np.zeros((plane.height, plane.line_size), np.uint8)
    room[:, : plane.width] = pixels
    plane.update(room.tobytes())


async def view(url: str, pattern: Pattern, tracks: int, seconds: float) -> ClientStats:
    """Watches for a while and follows tracks; returns what was counted. Raises ClientError."""
    async with viewing(url, pattern, tracks) as viewer:
        await viewer.watch(seconds)
        return viewer.client.stats


class Viewer:
    """One who watches now. Made by viewing()."""

    def __init__(self, url: str, pattern: Pattern, token: str | None) -> None:
        self.client = Client(url, self._sent(pattern), token=token, resume_s=0)
        self.latencies_s: deque[float] = deque(maxlen=_KEPT_LATENCIES)
        """From capture to mask, of the mask frames since they were last cleared; inf where the
        frame left too long ago to be remembered."""
        self.picture_latencies_s: deque[float] = deque(maxlen=_KEPT_LATENCIES)
        """From capture to the returned picture, of those whose number could be read."""
        self._captured_at_s = [math.nan] * NUM_CODES
        self._readers: list[asyncio.Task[None]] = []

    async def watch(self, seconds: float) -> None:
        """Goes on for so long. Raises ConnectionLost when the session ends before."""
        if not self._readers:
            parts = (self._read_masks(), self._read_pictures())
            self._readers = [asyncio.create_task(part) for part in parts]
        done, _ = await asyncio.wait(
            self._readers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        await asyncio.gather(*done)

    async def leave(self) -> None:
        """Stops to read."""
        for reader in self._readers:
            reader.cancel()
        if self._readers:
            await asyncio.wait(self._readers)

    async def _sent(self, pattern: Pattern) -> AsyncIterator[av.VideoFrame]:
        index = 0
        async for frame in pattern.frames():
            self._captured_at_s[index % NUM_CODES] = time.monotonic()
            yield frame
            index += 1

    async def _read_masks(self) -> None:
        async for masks in self.client.masks():
            late_s = masks.latency_s
            self.latencies_s.append(math.inf if late_s is None else late_s)

    async def _read_pictures(self) -> None:
        async for returned in self.client.video():
            number = read(returned.picture)
            if number is not None:
                self.picture_latencies_s.append(time.monotonic() - self._captured_at_s[number])


@asynccontextmanager
async def viewing(
    url: str, pattern: Pattern, tracks: int, token: str | None = None
) -> AsyncIterator[Viewer]:
    """One viewer, with tracks, who does not come back when the connection dies.

    Raises ClientError.
    """
    viewer = Viewer(url, pattern, token)
    async with viewer.client as client:
        if pattern.output is not None:
            await client.configure(pattern.output)
        for track_id in range(1, tracks + 1):
            place = Point(track_id / (tracks + 1), 0.5)
            await client.prompt(track_id, points=[place])
        try:
            await viewer.watch(0)
            yield viewer
        finally:
            await viewer.leave()
