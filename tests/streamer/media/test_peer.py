import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aioice
import aioice.ice
import pytest
from aiortc import AudioStreamTrack, RTCConfiguration, RTCPeerConnection
from av import VideoFrame
from fake_viewer import eventually
from loopback import Camera, OtherSide

from sam2_rt.tracking.frame import Frame
from streamer.ice_server import IceServer
from streamer.masks.mask_frame import MaskFrame, encode
from streamer.media.peer import MAX_MASKS_BUFFERED_BYTES, Peer
from streamer.picture import picture as picture_module
from streamer.rtc.addresses import use_addresses
from streamer.rtc.offer import OfferError
from streamer.session.viewer import FrameTooLarge, Outcome, ViewerLeft

MAX_PIXELS = 1920 * 1080


@pytest.fixture(autouse=True)
def loopback_candidates() -> None:
    use_addresses(["127.0.0.1"], with_loopback=False)


@asynccontextmanager
async def pair(camera: Camera | None = None) -> AsyncIterator[tuple[Peer, OtherSide]]:
    """Connected, with both channels open."""
    peer, other = Peer([]), OtherSide(camera)
    opened = asyncio.Event()
    peer.on_open = opened.set
    await other.accept(await peer.answer(await other.offer()))
    await asyncio.wait_for(opened.wait(), 5)
    await eventually(lambda: peer.wants_masks)
    yield peer, other
    await other.close()
    await peer.close()


def num_sent(peer: Peer) -> int:
    """Packets of the returned video."""
    return peer._video.sender._RTCRtpSender__packet_count


async def receive_all(peer: Peer) -> None:
    while True:
        await peer.receive(MAX_PIXELS)


async def test_frames_arrive_with_the_timestamp_that_was_sent():
    async with pair(Camera([(33, 65)])) as (peer, other):
        first, second = await peer.receive(MAX_PIXELS), await peer.receive(MAX_PIXELS)
        assert [plane.shape for plane in first.frame.planes] == [(33, 65), (17, 33), (17, 33)]
        assert second.frame.pts - first.frame.pts == 3000
        assert (second.in_rtp - first.in_rtp) % 2**32 == 3000
        assert abs(int(first.frame.planes[0].mean()) - 60) < 10
        assert other.sender._RTCRtpSender__rtp_timestamp - first.in_rtp in range(0, 30_000, 3000)


async def test_a_frame_that_is_too_large_is_not_copied(monkeypatch: pytest.MonkeyPatch):
    async with pair(Camera([(48, 64)])) as (peer, _):
        with monkeypatch.context() as patch:
            patch.delattr("streamer.media.peer.to_frame")
            with pytest.raises(FrameTooLarge, match="64 x 48, at most"):
                await peer.receive(48 * 64 - 1)
        assert (await peer.receive(48 * 64)).frame.width == 64


async def test_a_big_frame_is_copied_off_the_loop(monkeypatch: pytest.MonkeyPatch):
    threads = []

    def to_frame(picture: VideoFrame) -> Frame:
        threads.append(threading.get_ident())
        return picture_module.to_frame(picture)

    monkeypatch.setattr("streamer.media.peer.to_frame", to_frame)
    async with pair(Camera([(48, 64)])) as (peer, _):
        await peer.receive(MAX_PIXELS)
        monkeypatch.setattr("streamer.media.peer._MAX_PIXELS_ON_LOOP", 48 * 64 - 1)
        await peer.receive(MAX_PIXELS)
    assert threads[0] == threading.get_ident()
    assert threads[1] != threading.get_ident()


async def test_a_returned_picture_has_the_out_rtp_that_was_told():
    async with pair() as (peer, other):
        told = []
        for _ in range(8):
            arrival = await peer.receive(MAX_PIXELS)
            count = num_sent(peer)
            peer.show(arrival.frame)
            await eventually(lambda count=count: num_sent(peer) > count)
            told.append(peer.out_rtp(arrival.frame.pts))
        await eventually(lambda: len(other.pictures) >= 7)  # aiortc keeps the last one back
        mapper = other.receiver._RTCRtpReceiver__timestamp_mapper
        seen = [(mapper._origin + picture.pts) % 2**32 for picture in other.pictures]
        assert told[: len(seen)] == seen
        assert 0 not in told


async def test_a_picture_that_nobody_took_is_replaced():
    async with pair() as (peer, _):
        frame = (await peer.receive(MAX_PIXELS)).frame
        assert [peer.show(frame), peer.show(frame)] == [True, False]


async def test_messages_go_both_ways():
    async with pair() as (peer, other):
        heard: list[str | bytes] = []
        peer.on_message = heard.append
        other.control.send('{"type": "ping"}')
        other.control.send(b"\x01")
        peer.say('{"type": "pong"}')
        await eventually(lambda: len(heard) == 2 and len(other.said) == 1)
        assert heard == ['{"type": "ping"}', b"\x01"]
        assert other.said == [{"type": "pong"}]


async def test_masks_are_skipped_while_the_channel_is_full():
    async with pair() as (peer, other):
        message = encode(MaskFrame(0, 1, 2, None, 3, 4), 90, 160)
        assert peer.send_masks(message)
        await eventually(lambda: len(other.masks) == 1)
        peer._masks._addBufferedAmount(MAX_MASKS_BUFFERED_BYTES + 1)
        assert not peer.send_masks(message)
        peer._masks._addBufferedAmount(-MAX_MASKS_BUFFERED_BYTES)
        assert peer.send_masks(message)


async def test_a_viewer_who_does_not_read_ends_the_session():
    async with pair() as (peer, _):
        ends: list[Outcome] = []
        peer.on_end = ends.append
        peer._control._addBufferedAmount(2 << 20)
        peer.say("{}")
        assert ends == [Outcome.STALLED]
        peer._control._addBufferedAmount(-(2 << 20))


async def test_a_viewer_who_closes_the_control_channel_has_left():
    async with pair() as (peer, other):
        ends: list[Outcome] = []
        peer.on_end = ends.append
        other.channel.close()
        await eventually(lambda: not peer.wants_masks)
        assert ends == []
        other.control.close()
        await eventually(lambda: ends == [Outcome.LEFT])


async def test_a_viewer_who_hangs_up_is_noticed():
    async with pair() as (peer, other):
        ends: list[Outcome] = []
        peer.on_end = ends.append
        await peer.receive(MAX_PIXELS)
        await other.close()
        await eventually(lambda: ends == [Outcome.LEFT])
        with pytest.raises(ViewerLeft):
            await receive_all(peer)


async def test_a_viewer_who_falls_silent_has_vanished(monkeypatch: pytest.MonkeyPatch):
    async with pair() as (peer, other):
        ends: list[Outcome] = []
        peer.on_end = ends.append
        monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.02)
        monkeypatch.setattr(aioice.stun, "RETRY_RTO", 0.02)
        for protocol in other.sender.transport.transport._connection._protocols:
            protocol.datagram_received = lambda _data, _addr: None
        with pytest.raises(ViewerLeft):
            await receive_all(peer)
        await eventually(lambda: peer._connection.connectionState == "closed")
        assert set(ends) == {Outcome.VANISHED}, "the first stands"


async def test_more_media_than_one_video_is_declined():
    peer, other = Peer([]), OtherSide()
    other.connection.addTrack(AudioStreamTrack())
    other.connection.addTrack(Camera())
    answer = await peer.answer(await other.offer())
    directions = [
        line[2:].strip()
        for line in answer.splitlines()
        if line in {"a=sendrecv", "a=inactive", "a=recvonly", "a=sendonly"}
    ]
    assert sorted(directions) == ["inactive", "inactive", "sendrecv"]
    await other.close()
    await peer.close()


async def test_a_viewer_who_only_sends_gets_no_pictures():
    peer, other = Peer([]), OtherSide()
    other.connection.getTransceivers()[0].direction = "sendonly"
    answer = await peer.answer(await other.offer())
    assert "a=recvonly" in answer
    assert not peer.wants_pictures
    await other.close()
    await peer.close()


@pytest.mark.parametrize("direction", ["recvonly", "inactive", None])
async def test_an_offer_that_sends_no_video_is_refused(direction: str | None):
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.createDataChannel("control")
    if direction is not None:
        connection.addTransceiver("video", direction)
    await connection.setLocalDescription(await connection.createOffer())
    peer = Peer([])
    with pytest.raises(OfferError, match="sends no video"):
        await peer.answer(connection.localDescription.sdp)
    await peer.close()
    await connection.close()


async def test_no_server_is_asked_for_candidates_unless_it_is_set():
    assert Peer([])._connection._RTCPeerConnection__configuration.iceServers == []
    server = IceServer(urls="stun:127.0.0.1:3478")
    servers = Peer([server])._connection._RTCPeerConnection__configuration.iceServers
    assert [s.urls for s in servers] == ["stun:127.0.0.1:3478"]
