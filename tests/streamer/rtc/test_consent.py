import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aioice
import aioice.ice
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from streamer.rtc.addresses import use_addresses
from streamer.rtc.consent import INTERVAL_S, MAX_FAILURES, TimedProtocol, has_expired, round_trip_s


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[aioice.Connection, aioice.Connection]]:
    """Connected."""
    use_addresses(["127.0.0.1"], with_loopback=False)
    ours = aioice.Connection(ice_controlling=True)
    theirs = aioice.Connection(ice_controlling=False)
    for here, there in ((ours, theirs), (theirs, ours)):
        await here.gather_candidates()
        there.remote_username, there.remote_password = here.local_username, here.local_password
    for here, there in ((ours, theirs), (theirs, ours)):
        for candidate in here.local_candidates:
            await there.add_remote_candidate(candidate)
        await there.add_remote_candidate(None)
    await asyncio.gather(ours.connect(), theirs.connect())
    yield ours, theirs
    await asyncio.gather(ours.close(), theirs.close())


def fall_silent(connection: aioice.Connection) -> None:
    """As when its cable is pulled: nothing that comes is read."""
    for protocol in connection._protocols:
        protocol.datagram_received = lambda _data, _addr: None


def receiver_of(connection: aioice.Connection) -> SimpleNamespace:
    """As aiortc nests them: a receiver, DTLS, ICE."""
    ice = SimpleNamespace(_connection=connection)
    return SimpleNamespace(transport=SimpleNamespace(transport=ice))


def protocol_of(connection: aioice.Connection) -> TimedProtocol:
    (one,) = connection._nominated.values()
    assert isinstance(one.protocol, TimedProtocol)
    return one.protocol


async def test_a_peer_that_falls_silent_is_dead_after_some_questions(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.02)
    monkeypatch.setattr(aioice.stun, "RETRY_RTO", 0.02)
    asked = []
    request = TimedProtocol.request

    async def count(self, *arguments, **options):
        asked.append(self.receiver)
        return await request(self, *arguments, **options)

    async with pair() as (ours, theirs):
        monkeypatch.setattr(TimedProtocol, "request", count)
        assert not has_expired(receiver_of(ours))
        fall_silent(theirs)
        event = await ours.get_event()
        assert isinstance(event, aioice.ConnectionClosed)
        assert asked.count(ours) == MAX_FAILURES
        assert has_expired(receiver_of(ours))


async def test_one_question_that_is_lost_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(aioice.stun, "RETRY_RTO", 0.02)
    sent = []
    async with pair() as (ours, _):
        (one,) = ours._nominated.values()
        send = one.protocol.send_stun

        def lose_the_first(message: aioice.stun.Message, address: tuple[str, int]) -> None:
            sent.append(message)
            if len(sent) > 1:
                send(message, address)

        one.protocol.send_stun = lose_the_first
        key = ours.remote_password.encode()
        question = ours.build_request(one, nominate=False)
        await one.protocol.request(question, one.remote_addr, key, retransmissions=0)
    assert sent == [question, question]


async def test_the_round_trip_is_known_once_connected():
    async with pair() as (ours, theirs):
        # One of the two may have been found by the other's checks alone.
        trips = [protocol_of(one).round_trip_s for one in (ours, theirs)]
        assert any(trips)
        assert all(trip_s is None or 0 < trip_s < aioice.stun.RETRY_RTO for trip_s in trips)


async def test_aioice_takes_both_numbers_and_the_protocol_from_its_module():
    """Names of aioice 0.13 that are no interface."""
    names = aioice.Connection.query_consent.__code__.co_names
    assert {"CONSENT_INTERVAL", "CONSENT_FAILURES"} <= set(names)
    assert (aioice.ice.CONSENT_INTERVAL, aioice.ice.CONSENT_FAILURES) == (INTERVAL_S, MAX_FAILURES)
    connection = aioice.Connection(ice_controlling=True)
    use_addresses(["127.0.0.1"], with_loopback=False)
    await connection.gather_candidates()
    assert [type(protocol) for protocol in connection._protocols] == [TimedProtocol]
    await connection.close()


async def test_a_receiver_knows_the_round_trip_of_its_connection():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = connection.addTransceiver("video").receiver
    assert round_trip_s(receiver) is None
    async with pair() as (ours, _):
        protocol_of(ours).round_trip_s = 0.3
        receiver.transport.transport._connection._nominated.update(ours._nominated)
        assert round_trip_s(receiver) == 0.3
        receiver.transport.transport._connection._nominated.clear()
    await connection.close()
