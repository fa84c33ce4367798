"""A jitter buffer that lets a frame go with its last packet, and a backlog all at once.

aiortc 1.16 waits for the first packet of the next frame, and lets at most one frame go for each
packet that comes: after one loss a stream of one-packet frames stays behind for ever.
"""

from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.codecs import is_rtx
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

_CAPACITY_PACKETS = 512  # aiortc's for video


class PromptJitterBuffer(JitterBuffer):
    """As aiortc's for video, but reads the marker bit: it stands on a frame's last packet."""

    def __init__(self) -> None:
        super().__init__(capacity=_CAPACITY_PACKETS, is_video=True)

    def next_frame(self) -> JitterFrame | None:
        """The next complete frame; call again until None."""
        while (packets := self._complete()) is not None:
            # Empty packets pad the stream after a frame; as a frame they would end the decoder.
            data = b"".join(packet._data for packet in packets)  # type: ignore[attr-defined] # noqa: SLF001 (set by the receiver)
            if data:
                return JitterFrame(data, packets[0].timestamp)
        return None

    def _complete(self) -> list[RtpPacket] | None:
        """The packets of the first frame, if none is missing; they leave the buffer."""
        packets: list[RtpPacket] = []
        for count in range(self._capacity):
            packet = self._packets[((self._origin or 0) + count) % self._capacity]
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

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:  # noqa: ARG002 (aiortc's)
        return self.next_frame()


def release_at_once(receiver: RTCRtpReceiver) -> None:
    """Gives the receiver a PromptJitterBuffer. Call before it receives."""
    names = _Private(receiver)
    names.set("jitter_buffer", buffer := PromptJitterBuffer())
    handle_one = receiver._handle_rtp_packet  # noqa: SLF001 (no public way)

    async def handle_all(packet: RtpPacket, arrival_time_ms: int) -> None:
        await handle_one(packet, arrival_time_ms)
        codecs = names.get("codecs")
        codec = codecs.get(packet.payload_type)
        if codec is not None and is_rtx(codec):
            codec = codecs.get(codec.parameters.get("apt"))
        while codec is not None and names.get("decoder_thread") is not None:
            frame = buffer.next_frame()
            if frame is None:
                break
            frame.timestamp = names.get("timestamp_mapper").map(frame.timestamp)
            names.get("decoder_queue").put((codec, frame))

    receiver._handle_rtp_packet = handle_all  # type: ignore[method-assign] # noqa: SLF001


class _Private:
    """Name-mangled attributes of aiortc's receiver."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver

    def get(self, name: str) -> Any:
        return getattr(self._receiver, f"_RTCRtpReceiver__{name}")

    def set(self, name: str, value: object) -> None:
        assert hasattr(self._receiver, f"_RTCRtpReceiver__{name}"), name
        setattr(self._receiver, f"_RTCRtpReceiver__{name}", value)
