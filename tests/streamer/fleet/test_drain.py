import asyncio
from types import SimpleNamespace

import pytest

from streamer.fleet import drain
from streamer.fleet.drain import tell_to_leave


class Told:
    """What viewers were told, with the pauses in between."""

    def __init__(self, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.order: list[str] = []
        monkeypatch.setattr(drain, "asyncio", SimpleNamespace(sleep=self.sleep))
        self.stays = [self.stay(row) for row in range(number)]

    async def sleep(self, seconds: float) -> None:
        self.order.append(f"pause {seconds:g}")
        await asyncio.sleep(0)

    def stay(self, row: int) -> SimpleNamespace:
        teller = SimpleNamespace(tell_now=lambda: self.order.append(f"token {row}"))
        return SimpleNamespace(teller=teller, viewer=SimpleNamespace(say=self.order.append))


def migrate(seconds: float) -> str:
    return f'{{"type":"migrate","seconds":{seconds:.1f},"url":null}}'


async def test_viewers_are_told_one_by_one_each_with_its_newest_token(
    monkeypatch: pytest.MonkeyPatch,
):
    told = Told(3, monkeypatch)
    await tell_to_leave(told.stays, 60.0, spread_s=10.0, url=None)
    assert told.order == [
        "token 0", migrate(60),
        "pause 5", "token 1", migrate(55),
        "pause 5", "token 2", migrate(50),
    ]  # fmt: skip


async def test_the_last_has_half_of_the_time(monkeypatch: pytest.MonkeyPatch):
    told = Told(2, monkeypatch)
    await tell_to_leave(told.stays, 8.0, spread_s=100.0, url=None)
    assert told.order == ["token 0", migrate(8), "pause 4", "token 1", migrate(4)]


async def test_who_is_alone_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    told = Told(1, monkeypatch)
    await tell_to_leave(told.stays, 15.0, spread_s=5.0, url=None)
    assert told.order == ["token 0", migrate(15)]


async def test_nobody_is_told_where_nobody_is(monkeypatch: pytest.MonkeyPatch):
    told = Told(0, monkeypatch)
    await tell_to_leave(told.stays, 15.0, spread_s=5.0, url=None)
    assert told.order == []
