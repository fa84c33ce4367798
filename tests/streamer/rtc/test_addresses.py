from collections.abc import Iterator

import aioice.ice
import pytest

from streamer.rtc.addresses import use_addresses


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = aioice.ice.get_host_addresses
    yield
    aioice.ice.get_host_addresses = before


async def hosts() -> list[str]:
    """Host candidates that aioice gathers."""
    connection = aioice.Connection(ice_controlling=True)
    await connection.gather_candidates()
    found = [candidate.host for candidate in connection.local_candidates]
    await connection.close()
    return found


async def test_given_addresses_are_the_only_candidates():
    use_addresses(["127.0.0.1"], with_loopback=False)
    assert await hosts() == ["127.0.0.1"]


async def test_loopback_joins_the_interfaces_when_asked():
    use_addresses([], with_loopback=False)
    without = await hosts()
    use_addresses([], with_loopback=True)
    assert "127.0.0.1" not in without
    assert set(await hosts()) == {*without, "127.0.0.1"}


def test_addresses_are_of_the_version_that_aioice_asks_for():
    use_addresses(["127.0.0.1", "::1"], with_loopback=False)
    assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False) == ["127.0.0.1"]
    assert aioice.ice.get_host_addresses(use_ipv4=False, use_ipv6=True) == ["::1"]
