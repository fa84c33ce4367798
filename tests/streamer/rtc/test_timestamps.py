import aioice
import aiortc
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.rtcrtpreceiver import TimestampMapper

from streamer.rtc.timestamps import OutgoingClock, in_rtp


class Sender:
    """The two private numbers of a sender that the clock reads."""

    _Sender__packet_count = 0
    _Sender__rtp_timestamp = 0

    def send(self, timestamp: int) -> None:
        self._Sender__packet_count += 1
        self._Sender__rtp_timestamp = timestamp % 2**32


def test_the_releases_are_those_whose_private_names_we_know():
    assert (aiortc.__version__, aioice.__version__) == ("1.16.0", "0.13.0")


async def test_a_sender_and_a_receiver_have_the_private_names():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = connection.addTransceiver("video")
    assert type(transceiver.sender) is RTCRtpSender
    assert transceiver.sender._RTCRtpSender__packet_count == 0
    assert transceiver.sender._RTCRtpSender__rtp_timestamp == 0
    assert type(transceiver.receiver) is RTCRtpReceiver
    assert isinstance(transceiver.receiver._RTCRtpReceiver__timestamp_mapper, TimestampMapper)
    await connection.close()


def test_a_received_timestamp_survives_the_wrap():
    mapper = TimestampMapper()
    receiver = type("R", (), {})()
    receiver._R__timestamp_mapper = mapper
    sent = [2**32 - 3000, 0, 3000]
    assert [in_rtp(receiver, mapper.map(timestamp)) for timestamp in sent] == sent


def test_the_clock_learns_from_the_first_packet():
    sender = Sender()
    clock = OutgoingClock(sender)
    assert clock.out_rtp(90) == 0
    clock.take(90)
    assert clock.out_rtp(90) == 0
    sender.send(2**32 - 10 + 90)
    assert clock.out_rtp(90) == 80
    assert clock.out_rtp(3090) == 3080


def test_the_clock_does_not_take_an_older_frame_s_packet_for_the_newest():
    sender = Sender()
    clock = OutgoingClock(sender)
    clock.take(0)
    clock.take(3000)  # the first gave no packet
    assert clock.out_rtp(0) == 0
    sender.send(500 + 3000)
    clock.take(6000)
    assert clock.out_rtp(0) == 500


def test_a_learnt_origin_stays():
    sender = Sender()
    clock = OutgoingClock(sender)
    clock.take(0)
    sender.send(500)
    assert clock.out_rtp(0) == 500
    clock.take(3000)
    sender.send(77)
    assert clock.out_rtp(0) == 500
