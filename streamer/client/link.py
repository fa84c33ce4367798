"""Link: one connection of a client with the service, from its offer to its end."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import av
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcconfiguration import RTCBundlePolicy

import streamer.rtc.gathering
import streamer.rtc.retransmission  # noqa: F401 (both mend aiortc)
from streamer.client.arrivals import Arrivals, Masks, ReturnedFrame
from streamer.client.control import Control
from streamer.client.errors import ConnectError, ConnectionLost, SessionEnded
from streamer.client.signalling import Signalling
from streamer.client.track import SentVideo
from streamer.masks.mask_frame import MaskFrameError, decode
from streamer.protocol import CONTROL, MASKS
from streamer.rtc.jitter_buffer import release_at_once
from streamer.rtc.timestamps import in_rtp
from streamer.session.handover import How

OVERLAP_S: Final = 3.0
"""For the first masks over a new connection; then the one before is left without."""
HELLO_S: Final = 15.0
"""From the answer until the service has said hello on a data channel."""
DOUBTFUL_S: Final = 1.2
"""Without a word, after which the service is asked over HTTP whether the session is still there."""
_ASK_AGAIN_S: Final = 0.5
SILENT_S: Final = 4.0
"""Without a word of the service, which speaks each second, after which it counts as lost: much
sooner than ICE gives up."""


class Link:
    """One connection, from reach() to close()."""

    def __init__(
        self, signalling: Signalling, arrivals: Arrivals, servers: Sequence[RTCIceServer]
    ) -> None:
        self.sent = SentVideo()
        """What is sent over it."""
        self.lost: asyncio.Future[ConnectionLost] = asyncio.get_running_loop().create_future()
        """Settled when the connection has ended by itself."""
        self._first_masks: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._before: Link | None = None
        """The connection that this one takes over from, until masks come over this one."""
        self._signalling = signalling
        self._arrivals = arrivals
        # One relay does for all, as in link.js.
        bundled = RTCConfiguration(list(servers), bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self._peer = RTCPeerConnection(bundled)
        self._heard_at_s = time.monotonic()
        self._until_close = AsyncExitStack()
        self._until_close.push_async_callback(signalling.end)
        self._until_close.push_async_callback(self._peer.close)
        self._open_channels()

    @classmethod
    async def reach(cls, signalling: Signalling, arrivals: Arrivals, resume: str | None) -> Self:
        """Offers, with the token of the connection before, and waits for the service's hello.

        Raises ConnectError.
        """
        try:
            servers = await signalling.ice_servers()
            link = cls(signalling, arrivals, servers)
        except BaseException:
            await signalling.end()
            raise
        try:
            await link._open(resume)
        except BaseException:
            await link.close()
            raise
        return link

    async def _open(self, resume: str | None) -> None:
        await self._connect(resume)
        await self._greeted()
        self._heard_at_s = time.monotonic()
        await self._until_close.enter_async_context(running(self._receive(self._video.receiver)))
        await self._until_close.enter_async_context(running(self._listen()))

    def put(self, index: int, picture: av.VideoFrame) -> None:
        """A frame that was captured now."""
        if self._before is not None:
            self._before.sent.put(index, picture)
        self.sent.put(index, picture)

    async def take_over(self, before: "Link") -> None:
        """Goes on from a connection, which gets the video too until masks come over this one.

        The first frame takes longest: keys, a key frame, and a decoder that knows nothing yet.
        """
        self._before = before
        either: set[asyncio.Future[Any]] = {self._first_masks, self.lost, before.lost}
        await asyncio.wait(either, timeout=OVERLAP_S, return_when=asyncio.FIRST_COMPLETED)
        self._before = None
        await before.close()

    async def close(self) -> None:
        """Ends it here and at the service."""
        self._lose("the connection was closed")
        await self._until_close.aclose()

    @property
    def resumed(self) -> tuple[int, ...]:
        """Tracks that go on from the connection before."""
        return self._signalling.resumed

    @property
    def resumed_how(self) -> How | None:
        """What they came from, once the service has said hello; None: nothing was brought."""
        resumed = self.control.hello.result().resumed
        return None if resumed is None else resumed.how

    def _open_channels(self) -> None:
        self.sent.bind(self._peer.addTrack(self.sent))
        (self._video,) = self._peer.getTransceivers()
        release_at_once(self._video.receiver)
        channel = self._peer.createDataChannel(CONTROL)
        self.control = Control(channel.send, self._arrivals.events)
        self.control.on_ended = self._end
        channel.on("message", self._hear)
        channel.on("close", lambda: self._lose("the service ended the session"))
        masks: RTCDataChannel = self._peer.createDataChannel(MASKS, ordered=False, maxRetransmits=0)
        masks.on("message", self._hear_masks)
        self._peer.on("connectionstatechange", self._watch)

    async def _connect(self, resume: str | None) -> None:
        await self._peer.setLocalDescription(await self._peer.createOffer())
        answer = await self._signalling.exchange(self._peer.localDescription.sdp, resume)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except ValueError as error:
            raise ConnectError(f"the service's answer is no SDP: {error}") from error

    async def _greeted(self) -> None:
        try:
            async with asyncio.timeout(HELLO_S):
                await asyncio.shield(self.control.hello)
        except (TimeoutError, ConnectionLost) as error:
            raise ConnectError(
                "the service answered, but no media path to it was found: "
                "UDP between the two machines may be blocked"
            ) from error

    async def _receive(self, receiver: RTCRtpReceiver) -> None:
        """Takes the returned video as it comes: aiortc would keep all that nobody took."""
        try:
            while True:
                picture = await receiver.track.recv()
                assert isinstance(picture, av.VideoFrame), "the track was offered as video"
                assert picture.pts is not None, "aiortc stamps what it decodes"
                rtp_timestamp = in_rtp(receiver, picture.pts)
                self._arrivals.take_picture(ReturnedFrame(picture, rtp_timestamp))
        except MediaStreamError:  # the service ended its video, and the control channel with it
            return

    async def _listen(self) -> None:
        """Notices a service that has fallen silent; it is asked before it is given up."""
        while (silent_s := time.monotonic() - self._heard_at_s) < SILENT_S:
            if silent_s < DOUBTFUL_S:
                await asyncio.sleep(DOUBTFUL_S - silent_s)
            elif await self._signalling.is_gone():
                self._lose("the service says nothing, and that the session is gone")
                return
            else:
                await asyncio.sleep(min(_ASK_AGAIN_S, SILENT_S - silent_s))
        self._lose(f"the service has said nothing for {SILENT_S:g} s")

    def _hear(self, text: str | bytes) -> None:
        self._heard_at_s = time.monotonic()
        self.control.hear(text)

    def _hear_masks(self, data: str | bytes) -> None:
        self._heard_at_s = now = time.monotonic()
        try:
            frame = decode(data if isinstance(data, bytes) else data.encode())
        except MaskFrameError:
            self._arrivals.num_unreadable += 1
            return
        if self.lost.done():  # it was left, and another one tells of newer frames
            return
        if not self._first_masks.done():
            self._first_masks.set_result(None)
        self._arrivals.take_masks(Masks(frame, self.sent.find(frame.in_rtp), now))

    def _watch(self) -> None:
        if self._peer.connectionState in {"failed", "closed"}:
            self._lose("the connection to the service was lost")

    def _end(self, reason: str) -> None:
        """The service has said its last word."""
        self._lose(f"the service ended the session: {reason}", SessionEnded)

    def _lose(self, reason: str, kind: type[ConnectionLost] = ConnectionLost) -> None:
        """Once: what comes after the first cause is its consequence."""
        if not self.lost.done():
            lost = kind(reason)
            self.control.close(lost)
            self.lost.set_result(lost)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the connections before this one."""

    sent: int = 0
    unsent: int = 0
    unread: int = 0
    moves: int = 0

    def plus(self, link: Link, moves: int = 0) -> "Counts":
        """With those of one more."""
        return Counts(
            self.sent + link.sent.num_sent,
            self.unsent + link.sent.dropped,
            self.unread + link.control.unread,
            self.moves + moves,
        )


@asynccontextmanager
async def running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Work that goes on beside the body and is cancelled at its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def pauses() -> Iterator[float]:
    """Seconds between attempts: soon at first, then not too often."""
    yield from (0.1, 0.2, 0.5)
    yield from itertools.repeat(1.0)
