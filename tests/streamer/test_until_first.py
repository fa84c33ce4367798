import asyncio

import pytest

from streamer.until_first import until_first


async def end() -> str:
    return "ended"


async def fail() -> None:
    raise ValueError("a fault")


async def go_on(cleaned: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        cleaned.append("up")


async def test_the_first_that_ends_ends_all_and_each_tidies_up():
    cleaned: list[str] = []
    ended, other = await until_first(end(), go_on(cleaned))
    assert ended.result() == "ended"
    assert other.cancelled()
    assert cleaned == ["up"]


async def test_a_fault_is_told_to_who_asks_for_it():
    failed, _ = await until_first(fail(), go_on([]))
    with pytest.raises(ValueError, match="a fault"):
        failed.result()


async def test_cancelling_all_leaves_none_behind():
    cleaned: list[str] = []
    both = asyncio.ensure_future(until_first(go_on(cleaned), go_on(cleaned)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    both.cancel()
    await asyncio.wait([both])
    assert both.cancelled()
    assert cleaned == ["up", "up"]
