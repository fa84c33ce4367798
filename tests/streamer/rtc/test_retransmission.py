import asyncio

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcsctptransport import RTCSctpTransport
from loopback import OtherSide

from streamer.media.peer import Peer
from streamer.rtc.addresses import use_addresses
from streamer.rtc.retransmission import INITIAL_S, MAX_INIT_RETRANSMISSIONS, MIN_S


@pytest.fixture
async def transport():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.createDataChannel("control")
    yield connection.sctp
    await connection.close()


async def test_a_lost_message_waits_for_the_round_trip_and_not_for_a_second(
    transport: RTCSctpTransport,
):
    assert transport._rto == INITIAL_S
    transport._update_rto(0.05)
    assert transport._rto == MIN_S
    for _ in range(100):
        transport._update_rto(0.5)
    assert MIN_S < transport._rto < 0.6


async def test_the_first_messages_are_sent_again_for_as_long_as_by_aiortc(
    transport: RTCSctpTransport,
):
    assert "SCTP_MAX_INIT_RETRANS" in RTCSctpTransport._t1_expired.__code__.co_names
    assert MAX_INIT_RETRANSMISSIONS * INITIAL_S > 8 * 3


async def test_what_is_lost_is_heard_all_the_same():
    use_addresses(["127.0.0.1"], with_loopback=False)
    peer, other = Peer([]), OtherSide()
    heard: asyncio.Future[str | bytes] = asyncio.get_running_loop().create_future()
    opened = asyncio.Event()
    peer.on_open, peer.on_message = opened.set, heard.set_result
    await other.accept(await peer.answer(await other.offer()))
    await asyncio.wait_for(opened.wait(), 10)
    sctp = other.connection.sctp
    send, sent = sctp._send_chunk, []

    async def lose_the_first(chunk: object) -> None:
        sent.append(type(chunk).__name__)
        if sent.count("DataChunk") != 1 or sent[-1] != "DataChunk":
            await send(chunk)

    sctp._send_chunk = lose_the_first
    other.tell(type="ping", seq=1)
    assert "ping" in str(await asyncio.wait_for(heard, 10))
    assert sent.count("DataChunk") >= 2
    await other.close()
    await peer.close()
