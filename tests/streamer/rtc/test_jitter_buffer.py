import inspect
import queue

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.codecs import CODECS
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from fake_viewer import eventually
from loopback import connected
from served import serving

from streamer.rtc import jitter_buffer
from streamer.rtc.jitter_buffer import (
    KEY_FRAME_INTERVAL_S,
    MAX_GAP_S,
    MAX_WAITING_FRAMES,
    ROUND_TRIP_S,
    Intake,
    PromptJitterBuffer,
    gap_s,
    release_at_once,
)


def packet(number: int, timestamp: int, data: bytes = b"x", *, is_last: bool = True) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 65_536, timestamp=timestamp, marker=int(is_last))
    made._data = data
    return made


def drained(buffer: PromptJitterBuffer, arriving: RtpPacket) -> list[JitterFrame]:
    buffer.add(arriving)
    frames = []
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


def test_aiortc_s_own_waits_for_the_next_frame():
    buffer = JitterBuffer(capacity=512, is_video=True)
    assert buffer.add(packet(0, 0))[1] is None
    assert buffer.add(packet(1, 3000))[1].timestamp == 0


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
    for name in ("codecs", "decoder_thread", "decoder_queue", "timestamp_mapper", "rtx_ssrc"):
        assert hasattr(receiver, f"_RTCRtpReceiver__{name}"), name
    assert isinstance(receiver._RTCRtpReceiver__decoder_queue, queue.Queue)
    assert list(inspect.signature(receiver._send_rtcp_pli).parameters) == ["media_ssrc"]
    assert inspect.iscoroutinefunction(receiver._send_rtcp_pli)
    assert list(inspect.signature(receiver._send_rtcp_nack).parameters) == ["media_ssrc", "lost"]
    assert inspect.iscoroutinefunction(receiver._send_rtcp_nack)
    await connection.close()


async def test_a_private_name_that_went_away_is_noticed():
    with pytest.raises(AssertionError, match="jitter_buffer"):
        release_at_once(object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trip_s", "expected_s"),
    [(0.0, 0.06), (0.05, 0.16), (0.2, 0.46), (3.0, MAX_GAP_S), (None, 2 * ROUND_TRIP_S + 0.06)],
)
def test_a_gap_lasts_two_round_trips_and_some_jitter(trip_s: float | None, expected_s: float):
    assert gap_s(trip_s) == pytest.approx(expected_s)


@pytest.mark.parametrize("first", [0, 65_533])
def test_a_loss_that_is_not_repaired_is_given_up(first: int):
    buffer = PromptJitterBuffer()
    drained(buffer, packet(first, 0))
    for row in range(2, 5):
        assert drained(buffer, packet(first + row, 3000 * row)) == []
    assert buffer.missing() == [(first + 1) % 65_536]
    assert buffer.give_up()
    assert buffer.missing() == []
    # Whether packet 2 begins a frame cannot be known without packet 1.
    assert [f.timestamp for f in drained(buffer, packet(first + 5, 15_000))] == [
        9000,
        12_000,
        15_000,
    ]
    assert drained(buffer, packet(first + 1, 3000)) == []
    assert not buffer.give_up()


def test_a_gap_is_given_up_only_where_a_frame_begins():
    buffer = PromptJitterBuffer()
    drained(buffer, packet(0, 0))
    drained(buffer, packet(1, 3000, is_last=False))
    drained(buffer, packet(3, 6000, is_last=False))
    drained(buffer, packet(4, 6000))
    assert not buffer.give_up()
    assert drained(buffer, packet(5, 9000, b"whole")) == []
    assert buffer.give_up()
    assert buffer.next_frame().data == b"whole"


def test_each_loss_has_a_wait_of_its_own():
    buffer = PromptJitterBuffer()
    drained(buffer, packet(0, 0))
    assert buffer.held_up_s(0.0) == 0
    for number in (2, 4, 5):
        drained(buffer, packet(number, 3000 * number))
    assert [buffer.held_up_s(1.0), buffer.held_up_s(1.25)] == [0, 0.25]
    assert buffer.missing() == [1, 3]
    assert len(drained(buffer, packet(1, 3000))) == 2
    assert [buffer.held_up_s(1.5), buffer.held_up_s(2.0)] == [0, 0.5]
    assert len(drained(buffer, packet(3, 9000))) == 3
    assert buffer.held_up_s(3.0) == 0


def test_a_frame_that_is_still_arriving_is_no_gap():
    buffer = PromptJitterBuffer()
    drained(buffer, packet(0, 0))
    drained(buffer, packet(1, 3000, is_last=False))
    assert [buffer.held_up_s(0.0), buffer.held_up_s(100.0)] == [0, 0]
    assert not buffer.give_up()
    assert len(drained(buffer, packet(2, 3000))) == 1


class Undecoded:
    """A receiver whose decoder takes nothing, and what it asks its sender for."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.receiver = self.connection.addTransceiver("video").receiver
        self.asked: list[int] = []
        self.missed: list[list[int]] = []
        self.receiver._send_rtcp_pli = self._note
        self.receiver._send_rtcp_nack = self._note_missing
        self.intake: Intake = release_at_once(self.receiver)
        vp8 = CODECS["video"][0]
        self.receiver._RTCRtpReceiver__codecs[vp8.payloadType] = vp8
        self.receiver._RTCRtpReceiver__decoder_thread = object()
        self.waiting = self.receiver._RTCRtpReceiver__decoder_queue
        self.payload_type = vp8.payloadType

    async def _note(self, media_ssrc: int) -> None:
        self.asked.append(media_ssrc)

    async def _note_missing(self, media_ssrc: int, missing: list[int]) -> None:
        assert media_ssrc == 77
        self.missed.append(missing)

    async def take(self, number: int, now_s: float) -> None:
        arriving = packet(number, 3000 * number)
        arriving.payload_type, arriving.ssrc = self.payload_type, 77
        self.receiver._RTCRtpReceiver__jitter_buffer.add(arriving)
        await self.intake.follow(arriving, now_s)


async def test_a_slow_decoder_has_few_frames_waiting_and_then_a_key_frame():
    slow = Undecoded()
    for number in range(MAX_WAITING_FRAMES):
        await slow.take(number, 0.0)
    assert (slow.intake.dropped, slow.asked) == (0, [])
    for number in range(MAX_WAITING_FRAMES, 100):
        await slow.take(number, 0.0)
    assert slow.waiting.qsize() == MAX_WAITING_FRAMES
    assert slow.intake.dropped == 100 - MAX_WAITING_FRAMES
    assert slow.asked == [77], "requests are rare"
    slow.waiting.queue.clear()
    await slow.take(100, KEY_FRAME_INTERVAL_S)
    assert slow.waiting.qsize() == 1
    assert slow.asked == [77, 77], "frames were dropped after the first request"
    await slow.take(101, 9.0)
    assert slow.intake.key_frame_requests == 2
    slow.receiver._RTCRtpReceiver__decoder_thread = None
    await slow.connection.close()


async def test_what_is_missing_is_asked_for_again_after_a_round_trip_and_then_given_up():
    slow = Undecoded()
    now_s = 0.0
    for number in [0, 2, 4, 5, 6, 7, 8, 9]:
        await slow.take(number, now_s)
        now_s += 0.04
    # 2 came at 0.04: asked again at 0.16, given up at 0.24, when the wait for 3 begins.
    assert slow.missed == [[1, 3]]
    assert (slow.intake.asked_again, slow.intake.gaps, slow.asked) == (1, 1, [77])
    await slow.take(3, now_s)
    assert slow.intake.gaps == 1
    slow.receiver._RTCRtpReceiver__decoder_thread = None
    await slow.connection.close()


async def test_a_link_that_is_known_to_be_fast_is_waited_for_less(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jitter_buffer, "round_trip_s", lambda _receiver: 0.01)
    fast = Undecoded()
    for row, number in enumerate([0, 2, 3, 4, 5, 6]):
        await fast.take(number, 0.02 * row)
    assert (fast.missed, fast.intake.gaps) == ([[1]], 1)
    fast.receiver._RTCRtpReceiver__decoder_thread = None
    await fast.connection.close()


async def test_video_goes_on_after_a_packet_that_is_never_sent_again(
    monkeypatch: pytest.MonkeyPatch,
):
    handle = RTCRtpReceiver._handle_rtp_packet
    pli = RTCRtpReceiver._send_rtcp_pli
    seen: list[int] = []
    asked: list[int] = []

    async def lose_one(self: RTCRtpReceiver, arriving: RtpPacket, arrival_time_ms: int) -> None:
        if isinstance(self._RTCRtpReceiver__jitter_buffer, PromptJitterBuffer):
            seen.append(arriving.sequence_number)
            if len(seen) == 30:
                return
        await handle(self, arriving, arrival_time_ms)

    async def send_none(_self: RTCRtpSender, _sequence_number: int) -> None: ...

    async def note(self: RTCRtpReceiver, media_ssrc: int) -> None:
        if isinstance(self._RTCRtpReceiver__jitter_buffer, PromptJitterBuffer):
            asked.append(media_ssrc)
        await pli(self, media_ssrc)

    monkeypatch.setattr(RTCRtpReceiver, "_handle_rtp_packet", lose_one)
    monkeypatch.setattr(RTCRtpReceiver, "_send_rtcp_pli", note)
    monkeypatch.setattr(RTCRtpSender, "_retransmit", send_none)
    async with serving() as served, connected(served.url) as other:
        await eventually(lambda: len(seen) > 40)
        count = len(other.masks)
        await eventually(lambda: len(other.masks) > count + 10)
        assert other.sender._ssrc in asked
