import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from streamer.rtc.jitter_buffer import PromptJitterBuffer, release_at_once


def packet(number: int, timestamp: int, data: bytes = b"x", *, is_last: bool = True) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 65_536, timestamp=timestamp, marker=int(is_last))
    made._data = data
    return made


def drained(buffer: PromptJitterBuffer, arriving: RtpPacket) -> list[JitterFrame]:
    _, first = buffer.add(arriving)
    frames = [] if first is None else [first]
    while (frame := buffer.next_frame()) is not None:
        frames.append(frame)
    return frames


def test_a_frame_goes_with_its_last_packet():
    buffer = PromptJitterBuffer()
    assert drained(buffer, packet(0, 0, b"ab", is_last=False)) == []
    (frame,) = drained(buffer, packet(1, 0, b"cd"))
    assert (frame.data, frame.timestamp) == (b"abcd", 0)


def test_a_frame_whose_marker_is_missing_goes_with_the_next_frame():
    buffer = PromptJitterBuffer()
    drained(buffer, packet(0, 0, is_last=False))
    assert [f.timestamp for f in drained(buffer, packet(1, 3000))] == [0, 3000]


def test_a_repaired_loss_lets_the_whole_backlog_go():
    buffer = PromptJitterBuffer()
    drained(buffer, packet(65_530, 0))
    for row in range(2, 12):
        assert drained(buffer, packet(65_530 + row, 3000 * row)) == []
    late = drained(buffer, packet(65_531, 3000))
    assert [f.timestamp for f in late] == [3000 * row for row in range(1, 12)]


def test_aiortc_s_own_stays_behind_after_a_loss():
    buffer = JitterBuffer(capacity=512, is_video=True)
    buffer.add(packet(0, 0))
    for row in [*range(2, 12), 1]:
        buffer.add(packet(row, 3000 * row))
    _, frame = buffer.add(packet(12, 36_000))
    assert frame.timestamp < 9000  # when this fails, our buffer can go


def test_padding_after_a_frame_is_no_frame():
    buffer = PromptJitterBuffer()
    assert len(drained(buffer, packet(0, 0))) == 1
    assert drained(buffer, packet(1, 0, b"", is_last=False)) == []
    assert [f.timestamp for f in drained(buffer, packet(2, 3000))] == [3000]


async def test_a_receiver_takes_the_buffer():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = connection.addTransceiver("video").receiver
    release_at_once(receiver)
    assert isinstance(receiver._RTCRtpReceiver__jitter_buffer, PromptJitterBuffer)
    for name in ("codecs", "decoder_thread", "decoder_queue", "timestamp_mapper"):
        assert hasattr(receiver, f"_RTCRtpReceiver__{name}"), name
    await connection.close()


async def test_a_private_name_that_went_away_is_noticed():
    with pytest.raises(AssertionError, match="jitter_buffer"):
        release_at_once(object())  # type: ignore[arg-type]
