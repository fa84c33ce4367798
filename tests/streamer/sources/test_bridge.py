import asyncio

from streamer.sources.bridge import Bridge


async def test_the_newest_of_what_a_thread_puts_is_taken():
    bridge = Bridge[int]()

    def put_some() -> None:
        for item in range(100):
            bridge.put(item)

    await asyncio.to_thread(put_some)
    assert await bridge.take() == 99


async def test_one_call_waits_in_the_loop_however_much_is_put():
    bridge = Bridge[int]()
    loop = asyncio.get_running_loop()
    calls = []
    bridge._loop = type("Loop", (), {"call_soon_threadsafe": lambda _, call: calls.append(call)})()
    for item in range(50):
        bridge.put(item)
    assert len(calls) == 1
    loop.call_soon(calls[0])
    assert await bridge.take() == 49


def test_putting_after_the_loop_has_ended_is_no_error():
    async def make() -> Bridge[int]:
        return Bridge()

    asyncio.run(make()).put(1)
