"""What aiortc knows of a connection: codecs, bytes, packets, losses, round trip.

aiortc 1.16 gives the stream of retransmissions the same name in its report as the stream of video,
so the received packets are read where it keeps them.
"""

from dataclasses import dataclass
from typing import Any

from aiortc import (
    RTCRemoteInboundRtpStreamStats,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCTransportStats,
)
from aiortc.rtcrtpreceiver import StreamStatistics


@dataclass(frozen=True, slots=True)
class Link:
    """Of one connection, since it began. Packets are those of video, without retransmissions."""

    codec_in: str | None = None
    """As "H264"; None: no video comes."""
    codec_out: str | None = None
    bytes_in: int = 0
    """With all that shares the transport: messages, reports, retransmissions, headers."""
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    lost_in: int = 0
    """That did not come when they should; retransmission may have repaired it."""
    lost_out: int = 0
    """As the other side reports."""
    key_frames_asked: int = 0
    rtt_s: float | None = None
    """By the other side's reports of what was sent to it; None: there was none."""


async def read_link(transceiver: RTCRtpTransceiver, codec_in: str | None, asked: int) -> Link:
    """Of a transceiver of video, with the codec that comes and the key frames that were asked."""
    sender, receiver = transceiver.sender, transceiver.receiver
    report = list((await sender.getStats()).values())
    transport = next(stats for stats in report if isinstance(stats, RTCTransportStats))
    told = next((s for s in report if isinstance(s, RTCRemoteInboundRtpStreamStats)), None)
    streams = _received(receiver)
    sends = transceiver.currentDirection in {"sendrecv", "sendonly"}
    return Link(
        codec_in=codec_in,
        codec_out=transceiver._codecs[0].name if sends else None,  # noqa: SLF001 (no public way)
        bytes_in=transport.bytesReceived,
        bytes_out=transport.bytesSent,
        packets_in=sum(stream.packets_received for stream in streams),
        packets_out=_private(sender, "packet_count"),
        lost_in=sum(stream.packets_lost for stream in streams),
        lost_out=0 if told is None else told.packetsLost,
        key_frames_asked=asked,
        rtt_s=None if told is None else told.roundTripTime,
    )


def _received(receiver: RTCRtpReceiver) -> list[StreamStatistics]:
    """The streams of video; those of retransmissions are left out."""
    streams = _private(receiver, "remote_streams")
    retransmissions = _private(receiver, "rtx_ssrc")
    return [stream for ssrc, stream in streams.items() if ssrc not in retransmissions]


def _private(owner: RTCRtpReceiver | RTCRtpSender, name: str) -> Any:
    """A name-mangled attribute of aiortc 1.16."""
    return getattr(owner, f"_{type(owner).__name__}__{name}")
