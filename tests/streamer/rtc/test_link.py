from aiortc import RTCConfiguration, RTCPeerConnection
from fake_viewer import eventually
from loopback import connected
from served import serving

from streamer.rtc.link import Link, _private, read_link


async def test_a_sender_and_a_receiver_have_the_private_names():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video")
    assert _private(transceiver.receiver, "remote_streams") == {}
    assert _private(transceiver.receiver, "rtx_ssrc") == {}
    assert _private(transceiver.sender, "packet_count") == 0
    assert transceiver._codecs == []
    await connection.close()


async def test_a_connection_says_what_it_carries_and_still_does_when_it_has_ended():
    async with serving() as served, connected(served.url) as viewer:
        (stay,) = served.service._sessions.values()
        peer = stay.peer
        await eventually(lambda: len(viewer.pictures) >= 2)
        link = await peer.link()
        assert (link.codec_in, link.codec_out) == ("VP8", "VP8")
        assert link.bytes_in > link.packets_in > 0
        assert link.bytes_out > link.packets_out > 0
        assert (link.lost_in, link.lost_out) == (0, 0)
        await viewer.close()
        await eventually(lambda: served.service.num_open == 0)
        after = await peer.link()
        assert after.packets_in >= link.packets_in
        assert after.packets_out >= link.packets_out


async def test_packets_that_do_not_come_are_counted_although_they_are_sent_again():
    async with serving() as served, connected(served.url) as viewer:
        (stay,) = served.service._sessions.values()
        transport = viewer.sender.transport
        send, passed, kept = transport._send_rtp, [0], [0]

        async def lose_some(packet: bytes) -> None:
            passed[0] += 1
            if passed[0] % 5:
                await send(packet)
            else:
                kept[0] += 1

        transport._send_rtp = lose_some
        await eventually(lambda: kept[0] >= 4)
        transport._send_rtp = send
        num_pictures = len(viewer.pictures)
        await eventually(lambda: len(viewer.pictures) > num_pictures + 5)
        link = await stay.peer.link()
        assert 1 <= link.lost_in <= kept[0]


async def test_retransmissions_are_no_packets_of_video():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video")
    transceiver.receiver._RTCRtpReceiver__rtx_ssrc[7] = 5
    for ssrc in (5, 7):
        stream = type("Stream", (), {"packets_received": ssrc, "packets_lost": 10 * ssrc})()
        transceiver.receiver._RTCRtpReceiver__remote_streams[ssrc] = stream
    link = await read_link(transceiver, "VP8", 3)
    assert link == Link("VP8", None, packets_in=5, lost_in=50, key_frames_asked=3)
    await connection.close()
