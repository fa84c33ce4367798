"""Both event loops, because they open sockets by code of their own; and aioice's private ways."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import ModuleType

import aioice
import aioice.ice
import pytest
import uvloop

from streamer.rtc.addresses import use_addresses
from streamer.rtc.ports import NoPorts, PortRange, taking_ports


def free_ports(count: int) -> int:
    """The first of `count` UDP ports in a row that are free."""
    for first in range(42_000, 60_000, 16):
        taken = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(count)]
        try:
            for offset, one in enumerate(taken):
                one.bind(("127.0.0.1", first + offset))
        except OSError:
            continue
        finally:
            for one in taken:
                one.close()
        return first
    raise AssertionError("no ports")


async def gathered(ports: PortRange | None) -> aioice.Connection:
    connection = aioice.Connection(ice_controlling=True)
    try:
        with taking_ports(ports):
            await connection.gather_candidates()
    except BaseException:
        await connection.close()
        raise
    return connection


def used(*connections: aioice.Connection) -> set[int]:
    return {c.port for connection in connections for c in connection.local_candidates}


async def scenario() -> None:
    use_addresses(["127.0.0.1"], with_loopback=False)
    first = free_ports(2)
    ports = PortRange(first, first + 1)
    async with AsyncExitStack() as opened:
        for _ in range(2):
            opened.push_async_callback((one := await gathered(ports)).close)
        with pytest.raises(NoPorts, match=f"{first} to {first + 1} are all in use"):
            await gathered(ports)
        opened.push_async_callback((other := await gathered(None)).close)
        assert not used(other) & {first, first + 1}
        (left,) = used(one)
        await one.close()
        opened.push_async_callback((again := await gathered(ports)).close)
        assert used(again) == {left}


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_connection_takes_its_ports_from_the_range_and_says_when_there_is_none(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
):
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), 20))


async def test_connections_that_gather_at_once_share_the_range():
    use_addresses(["127.0.0.1"], with_loopback=False)
    first = free_ports(4)
    ports = PortRange(first, first + 3)
    connections = await asyncio.gather(*(gathered(ports) for _ in range(4)))
    assert len(used(*connections)) == 4
    for connection in connections:
        await connection.close()


async def test_an_address_that_is_not_ours_is_no_want_of_ports():
    use_addresses(["192.0.2.1"], with_loopback=False)
    connection = await gathered(PortRange(40_000, 40_003))
    assert connection.local_candidates == []
    await connection.close()


def test_aioice_asks_its_module_for_the_loop():
    """Where the range comes in: a name of aioice 0.13 that is no interface."""
    assert "get_running_loop" in aioice.Connection.get_component_candidates.__code__.co_names
    assert not isinstance(aioice.ice.asyncio, ModuleType)
