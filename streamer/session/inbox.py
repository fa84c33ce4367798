"""Inbox: what arrived and nobody read yet, as an async iterator. Bounded: the newest stay."""

import asyncio
from collections import deque
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """Room for `capacity` items; put() lets the oldest go and counts it in `dropped`.

    Iterating takes items, oldest first, until close(); what is inside then is still read.
    """

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque(maxlen=capacity)
        self._changed = asyncio.Event()
        self._error: Exception | None = None
        self._is_closed = False
        self.dropped = 0
        """Items that left unread."""

    def put(self, item: T) -> None:
        """Never waits; after close() the item is let go."""
        if self._is_closed:
            return
        self.dropped += len(self._items) == self._items.maxlen
        self._items.append(item)
        self._changed.set()

    def close(self, error: Exception | None = None) -> None:
        """Ends the iteration; with an error, the reader gets it after the last item."""
        if not self._is_closed:
            self._is_closed = True
            self._error = error
            self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._is_closed and self._error is not None:
                raise self._error
            if self._is_closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._items.popleft()
