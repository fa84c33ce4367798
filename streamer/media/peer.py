"""Peer: one WebRTC connection, aiortc's side. Tracks to Frames, channels to messages. No policy."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import av
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

import streamer.rtc.gathering
import streamer.rtc.h264_encoder
import streamer.rtc.retransmission  # noqa: F401 (all mend aiortc)
from sam2_rt.tracking.frame import Frame
from streamer import protocol
from streamer.ice_server import IceServer
from streamer.picture.picture import FORMAT, to_frame, to_picture
from streamer.rtc.consent import has_expired
from streamer.rtc.fragment import MAX_CANDIDATES, Fragment, FragmentRefused, usable
from streamer.rtc.jitter_buffer import Intake, release_at_once
from streamer.rtc.link import Link, read_link
from streamer.rtc.offer import NoCandidates, OfferRefused, check, offer_faults
from streamer.rtc.ports import PortRange, taking_ports
from streamer.rtc.sdp import ufrags, without_unwanted
from streamer.rtc.timestamps import OutgoingClock, in_rtp
from streamer.session.slot import Slot
from streamer.session.viewer import Arrival, FrameTooLarge, Outcome, ViewerLeft

log = logging.getLogger(__name__)

MAX_MASKS_BUFFERED_BYTES: Final = 8192
"""Above, the channel is congested and masks would arrive late: they are skipped."""

MAX_CONTROL_BUFFERED_BYTES: Final = 1 << 20
"""Above, the viewer does not read: nothing is dropped, so the session ends."""

_CLOSE_TIMEOUT_S: Final = 5.0
_MAX_PIXELS_ON_LOOP: Final = 1920 * 1088
"""Of a frame whose copy does not keep the event loop from other viewers."""


class ReturnedVideo(MediaStreamTrack):
    """The video that goes back: always the newest picture."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.clock: OutgoingClock | None = None
        """Of the sender that this track is given to."""
        self.pictures = Slot[Frame]()
        self.on_sent: Callable[[int], None] = lambda _pts: None
        """Told of each picture whose last packet has left."""
        self._taken_pts: int | None = None

    async def recv(self) -> av.VideoFrame:
        """The next picture to encode, in the sender's turn."""
        if self.readyState != "live":
            raise MediaStreamError
        if self._taken_pts is not None:  # the sender comes again when it has sent
            self.on_sent(self._taken_pts)
        frame = await self.pictures.take()
        self._taken_pts = frame.pts
        assert self.clock is not None
        self.clock.take(frame.pts)
        return to_picture(frame)


class Peer:
    """A streamer.session.viewer.Viewer over WebRTC."""

    def __init__(self, ice_servers: Sequence[IceServer], ports: PortRange | None = None) -> None:
        # None would make aiortc ask a public STUN server.
        servers = [RTCIceServer(s.urls, s.username, s.password) for s in ice_servers]
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._ports = ports
        """For media; None: any."""
        self._connection.on("datachannel", self._take_channel)
        self._connection.on("connectionstatechange", self._follow_state)
        self._control: RTCDataChannel | None = None
        self._masks: RTCDataChannel | None = None
        self._video: RTCRtpTransceiver | None = None
        self._intake: Intake | None = None
        self._ufrags: frozenset[str] = frozenset()
        """Of the viewer's ICE session."""
        self._num_candidates = 0
        """That came after the offer."""
        self._returned = ReturnedVideo()
        self.on_open: Callable[[], None] = lambda: None
        self.on_message: Callable[[str | bytes], None] = lambda _text: None
        self.on_end: Callable[[Outcome], None] = lambda _outcome: None
        self.on_sent: Callable[[int], None] = lambda _pts: None
        self._returned.on_sent = self._tell_sent

    async def answer(self, offer: str) -> str:
        """SDP offer -> SDP answer with all candidates. Raises OfferError, NoPorts, NoCandidates."""
        text = without_unwanted(offer)
        check(text)
        self._ufrags = ufrags(text)
        with offer_faults():
            await self._connection.setRemoteDescription(RTCSessionDescription(text, "offer"))
        self._choose_video()
        with offer_faults(), taking_ports(self._ports):
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        answer: str = self._connection.localDescription.sdp
        if "\na=candidate:" not in answer:
            assert self._video is not None
            # aiortc begins ICE when there are candidates; the offer's, all of no use, ended it.
            if self._video.receiver.transport.transport.state != "new":
                raise OfferRefused("none of the offer's candidates can be used")
            raise NoCandidates
        return answer

    async def add_candidates(self, fragment: Fragment) -> None:
        """Takes up what the viewer found after its offer. Raises FragmentRefused."""
        if not fragment.ufrags <= self._ufrags:
            raise FragmentRefused("an ICE restart is not supported: make a new session")
        mids = [transceiver.mid for transceiver in self._connection.getTransceivers()]
        sctp = self._connection.sctp
        mids += [] if sctp is None else [sctp.mid]
        if not fragment.mids <= set(mids):
            raise FragmentRefused(f"media sections {sorted(fragment.mids)} of {mids}")
        assert mids[0] is not None, "named by the offer"
        candidates = usable(fragment, mids[0])
        self._num_candidates += len(candidates)
        if self._num_candidates > MAX_CANDIDATES:
            raise FragmentRefused(f"more than {MAX_CANDIDATES} candidates")
        for candidate in candidates:  # of a bundle's further sections aiortc takes none: rightly
            await self._connection.addIceCandidate(candidate)
        if fragment.is_last and self._num_candidates > 0:
            # Without any, as when all were `.local`, aiortc would give up; the viewer's own
            # checks still tell where it is.
            await self._connection.addIceCandidate(None)

    @property
    def wants_masks(self) -> bool:
        """The channel for masks is open."""
        return self._masks is not None and self._masks.readyState == "open"

    @property
    def wants_pictures(self) -> bool:
        """The viewer takes video back."""
        return self._video is not None and self._video.currentDirection == "sendrecv"

    @property
    def num_undecoded(self) -> int:
        """Losses that nobody repaired, and frames that came while too many waited to be decoded."""
        return 0 if self._intake is None else self._intake.gaps + self._intake.dropped

    async def receive(self, max_pixels: int) -> Arrival:
        """The next frame. Raises FrameTooLarge, or ViewerLeft when the video has ended."""
        assert self._video is not None, "receive() comes after answer()"
        receiver = self._video.receiver
        try:
            picture = await receiver.track.recv()
        except MediaStreamError as error:
            self._end()
            raise ViewerLeft from error
        assert isinstance(picture, av.VideoFrame)
        at_s = time.monotonic()
        num_pixels = picture.width * picture.height
        if num_pixels > max_pixels:
            raise FrameTooLarge(picture.width, picture.height, max_pixels)
        if picture.format.name == FORMAT and num_pixels <= _MAX_PIXELS_ON_LOOP:
            frame = to_frame(picture)
        else:  # takes milliseconds
            frame = await asyncio.to_thread(to_frame, picture)
        packets = None if self._intake is None else self._intake.times.take(frame.pts)
        return Arrival(frame, in_rtp(receiver, frame.pts), at_s, packets)

    def say(self, text: str) -> None:
        """Sends on the control channel; to nobody while it is not open."""
        if self._control is None or self._control.readyState != "open":
            return
        if self._control.bufferedAmount > MAX_CONTROL_BUFFERED_BYTES:
            self.on_end(Outcome.STALLED)
            return
        self._control.send(text)

    def send_masks(self, message: bytes | str) -> bool:
        """Sends on the channel for masks; False when it is full or closed."""
        if not self.wants_masks or self._masks is None:
            return False
        if self._masks.bufferedAmount > MAX_MASKS_BUFFERED_BYTES:
            return False
        self._masks.send(message)
        return True

    def show(self, frame: Frame) -> bool:
        """Leaves the picture for the encoder; False when that had not taken the one before."""
        before = self._returned.pictures.dropped
        self._returned.pictures.put(frame)
        return self._returned.pictures.dropped == before

    def out_rtp(self, pts: int) -> int:
        """RTP timestamp of the returned picture with this pts; 0 before the first was sent."""
        clock = self._returned.clock
        return 0 if clock is None else clock.out_rtp(pts)

    async def link(self) -> Link:
        """What is known of the connection, since it began; also after its end."""
        if self._video is None:
            return Link()
        intake = self._intake
        codec, asked = (None, 0) if intake is None else (intake.codec, intake.key_frame_requests)
        return await read_link(self._video, codec, asked)

    async def close(self) -> None:
        """Ends the connection and frees what it holds."""
        self._returned.stop()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._connection.close()
        except TimeoutError:
            log.warning("a connection did not close within %s s", _CLOSE_TIMEOUT_S)

    def _choose_video(self) -> None:
        """The first video that the viewer sends is ours, and goes back; all else is declined."""
        for transceiver in self._connection.getTransceivers():
            sends = transceiver.receiver.track is not None
            if transceiver.kind == "video" and sends and self._video is None:
                self._video = transceiver
                transceiver.sender.replaceTrack(self._returned)
                transceiver.direction = "sendrecv"
                self._intake = release_at_once(transceiver.receiver)
                self._returned.clock = OutgoingClock(transceiver.sender)
            else:
                # aiortc would decode it into a queue without bound that nobody reads.
                transceiver.direction = "inactive"
        if self._video is None:
            raise OfferRefused("the offer sends no video")

    def _take_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == protocol.MASKS and self._masks is None:
            self._masks = channel
        elif channel.label == protocol.CONTROL and self._control is None:
            self._control = channel
            channel.on("message", self._hear)
            channel.on("close", self._end)
            self.on_open()

    def _tell_sent(self, pts: int) -> None:
        self.on_sent(pts)

    def _hear(self, text: str | bytes) -> None:
        self.on_message(text)

    def _follow_state(self) -> None:
        state = self._connection.connectionState
        if state == "failed":
            self.on_end(Outcome.VANISHED)
        elif state == "closed":
            self._end()

    def _end(self) -> None:
        """The connection is closed: by the viewer, or because nothing was heard of it."""
        is_dead = self._video is not None and has_expired(self._video.receiver)
        self.on_end(Outcome.VANISHED if is_dead else Outcome.LEFT)
