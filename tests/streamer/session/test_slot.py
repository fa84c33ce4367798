import asyncio

from streamer.session.slot import Slot


async def test_put_replaces_the_item_nobody_took_and_counts_it():
    told: list[str] = []
    slot = Slot[int](on_drop=lambda: told.append("dropped"))
    slot.put(1)
    slot.put(2)
    assert await slot.take() == 2
    assert slot.dropped == 1
    assert told == ["dropped"]


async def test_take_waits_for_an_item():
    slot = Slot[int]()
    taking = asyncio.create_task(slot.take())
    await asyncio.sleep(0)
    assert not taking.done()
    slot.put(7)
    assert await taking == 7
    assert slot.dropped == 0


async def test_an_item_is_taken_once():
    slot = Slot[int]()
    slot.put(1)
    await slot.take()
    again = asyncio.create_task(slot.take())
    await asyncio.sleep(0)
    assert not again.done()
    slot.put(2)
    assert await again == 2


async def test_a_cancelled_take_loses_nothing():
    slot = Slot[int]()
    taking = asyncio.create_task(slot.take())
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    slot.put(3)
    assert await slot.take() == 3
