"""A streamer.session.viewer.Viewer without a network: frames are fed, what was sent is kept."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sam2_rt.tracking.frame import Frame
from streamer.session.viewer import Arrival, FrameTooLarge, Outcome, ViewerLeft

IN_ORIGIN, OUT_ORIGIN = 4_294_967_000, 500
"""RTP timestamps of pts 0; the first wraps soon."""


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; fails after seconds."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to be")


class FakeViewer:
    wants_masks = True
    wants_pictures = True

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.masks: list[bytes] = []
        self.pictures: list[Frame] = []
        self.is_closed = False
        self.takes_masks = True
        self._frames = asyncio.Queue[Frame | None](maxsize=64)
        self._news = asyncio.Event()

    def feed(self, pts: int, height: int = 16, width: int = 32) -> None:
        chroma = ((height + 1) // 2, (width + 1) // 2)
        sizes = ((height, width), chroma, chroma)
        self._frames.put_nowait(Frame(pts, tuple(np.full(s, 100, np.uint8) for s in sizes)))

    def leave(self) -> None:
        self._frames.put_nowait(None)

    def hear(self, **message: object) -> None:
        self.on_message(json.dumps(message))

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The count-th message of a kind, as soon as it was said."""
        while len(found := [m for m in self.said if m["type"] == kind]) < count:
            await self._wait()
        return found[count - 1]

    async def until_masks(self, count: int) -> None:
        while len(self.masks) < count:
            await self._wait()

    async def until_pictures(self, count: int) -> None:
        while len(self.pictures) < count:
            await self._wait()

    async def _wait(self) -> None:
        self._news.clear()
        await asyncio.wait_for(self._news.wait(), 5)

    async def receive(self, max_pixels: int) -> Arrival:
        frame = await self._frames.get()
        if frame is None:
            raise ViewerLeft
        if frame.width * frame.height > max_pixels:
            raise FrameTooLarge(frame.width, frame.height, max_pixels)
        return Arrival(frame, (IN_ORIGIN + frame.pts) % 2**32, time.monotonic())

    def say(self, text: str) -> None:
        self.said.append(json.loads(text))
        self._news.set()

    def send_masks(self, message: bytes) -> bool:
        if self.takes_masks:
            self.masks.append(message)
            self._news.set()
        return self.takes_masks

    def show(self, frame: Frame) -> bool:
        self.pictures.append(frame)
        self._news.set()
        return True

    def out_rtp(self, pts: int) -> int:
        return OUT_ORIGIN + pts

    num_undecoded = 0

    async def close(self) -> None:
        self.is_closed = True

    def on_open(self) -> None: ...

    def on_message(self, text: str | bytes) -> None: ...

    def on_end(self, outcome: Outcome) -> None: ...

    def on_sent(self, pts: int) -> None: ...
