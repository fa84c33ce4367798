"""Bridge: from a decoding thread to a Slot of the event loop. The newest wins on either side."""

import asyncio
import contextlib
import threading
from typing import Generic, TypeVar

from streamer.session.slot import Slot

T = TypeVar("T")


class Bridge(Generic[T]):
    """For one thread at a time, and one taker. At most one call waits in the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._item: T | None = None
        """Put, and not yet in the slot."""
        self._slot = Slot[T]()

    def put(self, item: T) -> None:
        """Leaves the item for the next take(), in place of an older one. Of the thread."""
        with self._lock:
            is_announced = self._item is not None
            self._item = item
        if not is_announced:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody takes
                self._loop.call_soon_threadsafe(self._pass_on)

    async def take(self) -> T:
        """The newest item, once there is one. Of the loop."""
        return await self._slot.take()

    def _pass_on(self) -> None:
        with self._lock:
            item, self._item = self._item, None
        assert item is not None
        self._slot.put(item)
