import asyncio

import pytest

from streamer.session.inbox import Inbox


async def test_items_come_in_order():
    inbox = Inbox[int](3)
    for item in (1, 2, 3):
        inbox.put(item)
    assert [await anext(inbox) for _ in range(3)] == [1, 2, 3]
    assert inbox.dropped == 0


async def test_the_oldest_leave_and_are_counted():
    inbox = Inbox[int](2)
    for item in (1, 2, 3, 4):
        inbox.put(item)
    inbox.close()
    assert [item async for item in inbox] == [3, 4]
    assert inbox.dropped == 2


async def test_a_reader_waits_for_the_next_item():
    inbox = Inbox[int](1)
    reader = asyncio.create_task(anext(inbox))
    await asyncio.sleep(0)
    assert not reader.done()
    inbox.put(5)
    assert await reader == 5


async def test_an_error_comes_after_the_last_item():
    inbox = Inbox[int](2)
    inbox.put(1)
    inbox.close(ValueError("over"))
    assert await anext(inbox) == 1
    with pytest.raises(ValueError, match="over"):
        await anext(inbox)


async def test_a_closed_inbox_takes_nothing():
    inbox = Inbox[int](2)
    inbox.close()
    inbox.put(1)
    assert [item async for item in inbox] == []


async def test_closing_wakes_a_reader_that_waits():
    inbox = Inbox[int](1)
    reader = asyncio.create_task(anext(inbox, None))
    await asyncio.sleep(0)
    inbox.close()
    assert await reader is None
