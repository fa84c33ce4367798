"""MaskReader: one more reader of a session's masks, beside its viewer. The newest frame wins."""

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from streamer.masks import mask_message
from streamer.masks.mask_feed import Stepped, Write
from streamer.picture.painter import paint
from streamer.session.slot import Slot

MAX_BYTES: Final = 32_768
"""Of one message: a stream over TCP is not cut into datagrams, so the grid may be finer."""


class MaskReader:
    """Made by MaskSender.read(), for a WebSocket, which has no video: `out_rtp` is the viewer's."""

    def __init__(
        self,
        painter: Executor,
        num_skipped: Callable[[], int],
        out_rtp: Callable[[int], int],
        *,
        is_text: bool,
    ) -> None:
        self._painter = painter
        self._num_skipped = num_skipped
        """Frames dropped before the engine since the session began."""
        self._out_rtp = out_rtp
        self._write: Write = mask_message.write_text if is_text else mask_message.write
        self._newest = Slot[Stepped]()
        self._reported = num_skipped()

    def put(self, stepped: Stepped) -> None:
        """One more frame, in place of one that was not read."""
        self._newest.put(stepped)

    async def read(self) -> bytes | str:
        """The message of the newest frame, once there is one that was not read."""
        stepped = await self._newest.take()
        arrival, skipped = stepped.arrival, self._num_skipped()
        facts = stepped.facts(self._out_rtp, skipped - self._reported)
        self._reported = skipped
        parts = (arrival.frame, stepped.result, facts, MAX_BYTES)
        return await paint(self._painter, self._write, *parts)
