import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import aioice
import aioice.ice
import pytest

from streamer.rtc.gathering import GATHER_S


async def test_a_stun_server_that_does_not_answer_is_given_up_soon(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    async def wait(tasks: Iterable[Any], timeout: float) -> Any:  # noqa: ASYNC109 (as asyncio's)
        waits.append(timeout)
        return await asyncio.wait(tasks, timeout=0.01)

    monkeypatch.setattr(aioice.ice, "asyncio", aioice.ice.asyncio)
    monkeypatch.setattr(aioice.ice.asyncio, "wait", wait, raising=False)
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        connection = aioice.Connection(ice_controlling=True, stun_server=silent.getsockname())
        try:
            await connection.gather_candidates()
            assert waits == [GATHER_S]
            assert {c.type for c in connection.local_candidates} == {"host"}
        finally:
            await connection.close()
