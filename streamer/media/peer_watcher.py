"""WatcherPeer: the connection of one who watches: video and masks go out, nothing comes in."""

from collections.abc import Callable, Sequence

from aiortc import RTCDataChannel, RTCRtpSender

from streamer import protocol
from streamer.ice_server import IceServer
from streamer.media.peer import Peer
from streamer.rtc.offer import OfferRefused
from streamer.rtc.ports import PortRange
from streamer.rtc.shared_encoder import Broadcast, send_from
from streamer.rtc.timestamps import OutgoingClock


class WatcherPeer(Peer):
    """Answers an offer that receives video; H.264 where the watcher has it, else VP8."""

    def __init__(
        self, ice_servers: Sequence[IceServer], ports: PortRange | None, broadcast: Broadcast
    ) -> None:
        super().__init__(ice_servers, ports)
        self.on_connected: Callable[[], None] = lambda: None
        self._broadcast = broadcast
        self._leave: Callable[[], None] = lambda: None
        self._out = self._connection.addTransceiver("video", direction="sendonly")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        # One codec for all who have it, so that one encode serves all.
        self._out.setCodecPreferences(sorted(codecs, key=lambda c: c.mimeType != "video/H264"))

    async def answer(self, offer: str) -> str:
        """As Peer's. Raises OfferRefused for an offer that receives no video."""
        sdp = await super().answer(offer)
        if self._out.currentDirection != "sendonly":
            raise OfferRefused("the offer receives no video")
        return sdp

    async def close(self) -> None:
        """Ends the connection and frees what it holds."""
        self._leave()
        await super().close()
        self._leave()  # the sender may have joined while it was ended

    def _choose_video(self) -> None:
        for transceiver in self._connection.getTransceivers():
            if transceiver is not self._out:
                transceiver.direction = "inactive"
        if self._out.mid is None:
            raise OfferRefused("the offer receives no video")
        self._video = self._out
        self._out.sender.replaceTrack(self._returned)  # without a track a sender sleeps
        self._returned.clock = clock = OutgoingClock(self._out.sender)
        self._leave = send_from(self._out.sender, self._broadcast, clock.take)

    def _take_channel(self, channel: RTCDataChannel) -> None:
        """Masks are for whoever has a channel for them; nothing is heard of those who watch."""
        if channel.label == protocol.MASKS and self._masks is None:
            self._masks = channel

    def _follow_state(self) -> None:
        super()._follow_state()
        if self._connection.connectionState == "connected":
            self.on_connected()
