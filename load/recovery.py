"""Recovery: how soon after a burst of losses a viewer has a mask and a picture that are right."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from load.picture_code import NUM_CODES, read
from load.scene import Ball, overlap
from streamer.client import Client, Masks, ObjectState, ReturnedFrame

RIGHT_IOU: Final = 0.5
"""A mask on its grid, with the ball in the same frame."""
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the last lost datagram; inf: not in time."""

    mask_s: float
    """To the first mask that is right, of a frame that was captured later."""
    picture_s: float
    """To the first returned picture of such a frame that says so itself: damaged ones do not."""


class Following:
    """Reads all that comes back to a client that follows the ball. Made by following()."""

    def __init__(self, client: Client, scene: Ball) -> None:
        loop = asyncio.get_running_loop()
        self.latencies_s: list[float] = []
        """Capture to mask, since it was last cleared: by whoever reads it, once a burst."""
        self._client = client
        self._scene = scene
        self._after = 0
        self._indices: OrderedDict[int, int] = OrderedDict()
        """Frames by the RTP timestamps of their returned pictures, at most _REMEMBERED."""
        self._mask: asyncio.Future[float] = loop.create_future()
        self._picture: asyncio.Future[float] = loop.create_future()

    async def recovers(self, patience_s: float) -> Recovery:
        """Waits for what is right, of frames that are captured from now on."""
        loop = asyncio.get_running_loop()
        stats, begun_s = self._client.stats, time.monotonic()
        self._after = stats.sent + stats.unsent - 1
        waited = self._mask, self._picture = loop.create_future(), loop.create_future()
        await asyncio.wait(waited, timeout=patience_s)
        mask_s, picture_s = (
            one.result() - begun_s if one.done() else float("inf") for one in waited
        )
        return Recovery(mask_s, picture_s)

    async def read_masks(self) -> None:
        """Until the session ends."""
        async for masks in self._client.masks():
            if masks.sent is not None:
                self.latencies_s.append(masks.received_at_s - masks.sent.captured_at_s)
                self._indices[masks.frame.out_rtp] = masks.sent.index
            if len(self._indices) > _REMEMBERED:
                self._indices.popitem(last=False)
            if not self._mask.done() and self._is_right(masks):
                self._mask.set_result(masks.received_at_s)

    async def read_pictures(self) -> None:
        """Until the session ends."""
        async for returned in self._client.video():
            if not self._picture.done() and self._is_itself(returned):
                self._picture.set_result(time.monotonic())

    def _is_right(self, masks: Masks) -> bool:
        if masks.sent is None or masks.sent.index <= self._after:
            return False
        truth = self._scene.truth(masks.sent.index)
        return any(
            one.state is ObjectState.VISIBLE and overlap(one.mask, truth) >= RIGHT_IOU
            for one in masks.frame.objects
        )

    def _is_itself(self, returned: ReturnedFrame) -> bool:
        index = self._indices.get(returned.rtp_timestamp)
        if index is None or index <= self._after:  # or its masks, which come before it, were lost
            return False
        return read(returned.picture) == index % NUM_CODES


@asynccontextmanager
async def following(client: Client, scene: Ball) -> AsyncIterator[Following]:
    """Reads beside the body."""
    follower = Following(client, scene)
    readers = [
        asyncio.create_task(follower.read_masks()),
        asyncio.create_task(follower.read_pictures()),
    ]
    try:
        yield follower
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)
