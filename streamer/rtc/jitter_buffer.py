"""A jitter buffer that lets a frame go with its last packet, and a backlog all at once.

aiortc 1.16 waits for the first packet of the next frame, and lets at most one frame go for each
packet that comes: after one loss a stream of one-packet frames stays behind for ever. A packet
that nobody sends again holds up 512 others, and frames wait for the decoder without a bound. A
missing packet is asked for once; when that is lost too, nobody asks again.
"""

import asyncio
from typing import Any, Final

from aiortc import RTCRtpCodecParameters, RTCRtpReceiver
from aiortc.codecs import is_rtx
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket
from aiortc.utils import uint16_add, uint16_gt

from streamer.rtc.consent import round_trip_s
from streamer.rtc.packet_times import PacketTimes

ROUND_TRIP_S: Final = 0.07
"""Taken for the link's while that is not known."""
MAX_GAP_S: Final = 0.5
"""For which a missing packet is waited for at most, however long the round trip."""
KEY_FRAME_INTERVAL_S: Final = 0.5
"""Between two requests for a key frame, at least; each costs the sender a large frame."""
MAX_WAITING_FRAMES: Final = 8
"""Before the decoder; what comes then is dropped."""

_CAPACITY_PACKETS: Final = 512  # aiortc's for video
_JITTER_S: Final = 0.06
_ASK_AGAIN_S: Final = 0.02
"""After one round trip: what was asked for should be here."""


def gap_s(trip_s: float | None) -> float:
    """For how long a missing packet is waited for: two round trips, to ask twice, and jitter."""
    return min(2 * (ROUND_TRIP_S if trip_s is None else trip_s) + _JITTER_S, MAX_GAP_S)


class PromptJitterBuffer(JitterBuffer):
    """As aiortc's for video, but reads the marker bit: it stands on a frame's last packet."""

    def __init__(self) -> None:
        super().__init__(capacity=_CAPACITY_PACKETS, is_video=True)
        self._newest = 0  # sequence number; read only when there is a packet
        self._held_up: tuple[int, float] | None = None  # by which origin, since when in seconds

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """aiortc's: (whether a key frame is needed, None). Frames are taken with next_frame()."""
        origin = self._origin
        needs_key_frame, frame = super().add(packet)
        if origin is None or needs_key_frame or uint16_gt(packet.sequence_number, self._newest):
            self._newest = packet.sequence_number
        return needs_key_frame, frame

    def next_frame(self) -> JitterFrame | None:
        """The next complete frame; call again until None."""
        while (packets := self._complete()) is not None:
            # Empty packets pad the stream after a frame; as a frame they would end the decoder.
            data = b"".join(packet._data for packet in packets)  # type: ignore[attr-defined] # noqa: SLF001 (set by the receiver)
            if data:
                return JitterFrame(data, packets[0].timestamp)
        return None

    def held_up_s(self, now_s: float) -> float:
        """For how long the first frame has waited for a missing packet; 0: none is missing.

        Call when next_frame() has none.
        """
        if self._origin is None or self._hole() is None:
            self._held_up = None
            return 0.0
        if self._held_up is None or self._held_up[0] != self._origin:
            self._held_up = (self._origin, now_s)
        return now_s - self._held_up[1]

    def missing(self) -> list[int]:
        """Sequence numbers that were passed and did not come, the first frame's first."""
        spanned = range(self._num_spanned())
        return [uint16_add(self._origin or 0, n) for n in spanned if self._at(n) is None]

    def give_up(self) -> bool:
        """Drops what a missing packet holds up, to the next frame's first packet.

        True when something was dropped: later frames refer to it, so that a key frame is needed.
        """
        hole = self._hole()
        if hole is None:
            return False
        for count in range(hole + 1, self._num_spanned()):
            before, packet = self._at(count - 1), self._at(count)
            if before is None or packet is None:
                continue
            if before.marker or before.timestamp != packet.timestamp:
                self.remove(count)
                self._held_up = None
                return True
        return False  # the frame that follows is not there yet

    def _hole(self) -> int | None:
        """Where the first missing packet is, counted from the origin; None: none was passed."""
        spanned = range(self._num_spanned())
        return next((count for count in spanned if self._at(count) is None), None)

    def _num_spanned(self) -> int:
        """Packets from the origin to the newest, there or missing."""
        if self._origin is None or uint16_gt(self._origin, self._newest):
            return 0
        return min(uint16_add(self._newest, 1 - self._origin), self._capacity)

    def _at(self, count: int) -> RtpPacket | None:
        return self._packets[((self._origin or 0) + count) % self._capacity]

    def _complete(self) -> list[RtpPacket] | None:
        """The packets of the first frame, if none is missing; they leave the buffer."""
        packets: list[RtpPacket] = []
        for count in range(self._capacity):
            packet = self._at(count)
            if packet is None:
                return None
            if packets and packet.timestamp != packets[0].timestamp:
                self.remove(count)
                return packets
            packets.append(packet)
            if packet.marker:
                self.remove(count + 1)
                return packets
        return None

    def _remove_frame(self, sequence_number: int) -> None:
        """Nothing: aiortc would put it before the decoder, whatever waits there."""


def release_at_once(receiver: RTCRtpReceiver) -> "Intake":
    """Gives the receiver a PromptJitterBuffer and bounds its queue. Call before it receives."""
    intake = Intake(receiver)
    handle_one = receiver._handle_rtp_packet  # noqa: SLF001 (no public way)

    async def handle_all(packet: RtpPacket, arrival_time_ms: int) -> None:
        await handle_one(packet, arrival_time_ms)
        await intake.follow(packet, asyncio.get_running_loop().time())

    receiver._handle_rtp_packet = handle_all  # type: ignore[method-assign] # noqa: SLF001
    return intake


class Intake:
    """What lies between a receiver's packets and its decoder."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self.dropped = 0
        """Frames that came while MAX_WAITING_FRAMES waited for the decoder."""
        self.gaps = 0
        """Losses that were not repaired in time."""
        self.key_frame_requests = 0
        """Sent for one of these two reasons."""
        self.asked_again = 0
        """Times that missing packets were asked for once more."""
        self._receiver = receiver
        self.times = PacketTimes()
        """Of the frames that were handed to the decoder."""
        self.codec: str | None = None
        """Of the last packet, as "H264"."""
        self._names = _Private(receiver)
        self._names.set("jitter_buffer", buffer := PromptJitterBuffer())
        self._buffer = buffer
        self._send_pli = receiver._send_rtcp_pli  # noqa: SLF001 (no public way)
        self._send_nack = receiver._send_rtcp_nack  # noqa: SLF001
        self._has_asked_again = False
        """For what the first frame lacks now."""
        self._needs_key_frame = False
        self._asked_at_s = float("-inf")

    async def follow(self, packet: RtpPacket, now_s: float) -> None:
        """Hands on what the packet completed, and asks for a key frame where one is needed."""
        codecs = self._names.get("codecs")
        codec = codecs.get(packet.payload_type)
        if codec is not None and is_rtx(codec):
            codec = codecs.get(codec.parameters.get("apt"))
        if codec is None or self._names.get("decoder_thread") is None:
            return
        self.codec = codec.name
        self.times.come(packet.timestamp)
        self._hand_on(codec)
        ssrc = self._names.get("rtx_ssrc").get(packet.ssrc, packet.ssrc)
        await self._mind_the_gap(codec, ssrc, now_s)
        if self._needs_key_frame and now_s - self._asked_at_s >= KEY_FRAME_INTERVAL_S:
            self._needs_key_frame = False
            self._asked_at_s = now_s
            self.key_frame_requests += 1
            await self._send_pli(ssrc)

    async def _mind_the_gap(self, codec: RTCRtpCodecParameters, ssrc: int, now_s: float) -> None:
        """Asks once more for what is missing (generic NACK, RFC 4585), and then gives it up."""
        held_up_s = self._buffer.held_up_s(now_s)
        trip_s = round_trip_s(self._receiver) if held_up_s > 0 else None
        if held_up_s >= gap_s(trip_s) and self._buffer.give_up():
            self.gaps += 1
            self._needs_key_frame = True
            self._hand_on(codec)
        elif held_up_s < (ROUND_TRIP_S if trip_s is None else trip_s) + _ASK_AGAIN_S:
            self._has_asked_again = False
        elif not self._has_asked_again:
            self._has_asked_again = True
            self.asked_again += 1
            await self._send_nack(ssrc, self._buffer.missing())

    def _hand_on(self, codec: RTCRtpCodecParameters) -> None:
        waiting = self._names.get("decoder_queue")
        while (frame := self._buffer.next_frame()) is not None:
            timestamp = frame.timestamp
            frame.timestamp = self._names.get("timestamp_mapper").map(timestamp)
            self.times.complete(timestamp, frame.timestamp)
            if waiting.qsize() < MAX_WAITING_FRAMES:
                waiting.put((codec, frame))
            else:
                self.dropped += 1
                self._needs_key_frame = True


class _Private:
    """Name-mangled attributes of aiortc's receiver."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver

    def get(self, name: str) -> Any:
        return getattr(self._receiver, f"_RTCRtpReceiver__{name}")

    def set(self, name: str, value: object) -> None:
        assert hasattr(self._receiver, f"_RTCRtpReceiver__{name}"), name
        setattr(self._receiver, f"_RTCRtpReceiver__{name}", value)
