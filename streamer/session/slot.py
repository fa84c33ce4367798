"""Slot: a place for one item. The newest wins, and what it replaced is counted."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """Room for one item. put() replaces what nobody took and counts it in `dropped`.

    For one taker, on one event loop.
    """

    def __init__(self, on_drop: Callable[[], None] | None = None) -> None:
        self.dropped = 0
        """Items that were replaced before anybody took them, since the beginning."""
        self._on_drop = on_drop
        self._item: T | None = None
        self._is_full = asyncio.Event()

    def put(self, item: T) -> None:
        """Leaves the item for the next take(), in place of an older one."""
        if self._is_full.is_set():
            self.dropped += 1
            if self._on_drop is not None:
                self._on_drop()
        self._item = item
        self._is_full.set()

    async def wait(self) -> None:
        """Returns when there is an item."""
        await self._is_full.wait()

    def pop(self) -> T:
        """The newest item, which there is."""
        self._is_full.clear()
        item, self._item = self._item, None
        assert item is not None
        return item

    async def take(self) -> T:
        """The newest item, once there is one."""
        await self.wait()
        return self.pop()
