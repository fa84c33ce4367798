"""Client: a video source out over WebRTC, masks and the returned video back. No torch.

    async with Client("http://127.0.0.1:8080", frames) as client:
        await client.prompt(1, points=[Point(0.5, 0.5)])
        async for masks in client.masks():
            print(masks.frame.index, [o.track_id for o in masks.frame.objects], masks.latency_s)

`frames` is an aiortc MediaStreamTrack or an async iterator of new av.VideoFrames, each given when
it is captured: pace is the source's affair. Where the link is slower, the newest frame is sent.
"""

import asyncio
import base64
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Final, Self

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from sam2_rt import rle
from sam2_rt.tracking.prompt import Point, Prompt
from streamer.client_arrivals import ClientStats, Masks, ReturnedFrame
from streamer.client_control import Control
from streamer.client_errors import (
    ClientError,
    ConnectError,
    ConnectionLost,
    Refused,
    ServiceFull,
    Unauthorised,
)
from streamer.client_signalling import Signalling
from streamer.client_track import SentFrame, SentVideo
from streamer.inbox import Inbox
from streamer.mask_frame import MaskFrameError, decode
from streamer.output import Mode
from streamer.protocol import CONTROL, MASKS, EventMessage, HelloMessage
from streamer.protocol import AckMessage as Ack
from streamer.rtc.jitter_buffer import release_at_once
from streamer.rtc.timestamps import in_rtp

__all__ = [
    "Ack",
    "Client",
    "ClientError",
    "ClientStats",
    "ConnectError",
    "ConnectionLost",
    "Masks",
    "Point",
    "Refused",
    "ReturnedFrame",
    "SentFrame",
    "ServiceFull",
    "Unauthorised",
]

HELLO_S: Final = 15.0
"""From the answer until the service has said hello on a data channel."""
MAX_UNREAD_MASKS: Final = 8
"""Mask frames that nobody took; a few may come in one packet. The oldest leave."""
MAX_LATENCIES: Final = 300
"""Mask frames of which ClientStats gives the median."""


class Client:
    """One session with the service: an async context manager, used once."""

    def __init__(
        self,
        url: str,
        source: MediaStreamTrack | AsyncIterator[av.VideoFrame],
        *,
        token: str | None = None,
    ) -> None:
        self._url = url
        self._token = token
        """For a service that asks for one (RFC 6750)."""
        self._source = _frames_of(source) if isinstance(source, MediaStreamTrack) else source
        self._stack = AsyncExitStack()
        self._masks = Inbox[Masks](MAX_UNREAD_MASKS)
        self._pictures = Inbox[ReturnedFrame](1)
        self._latencies: deque[float] = deque(maxlen=MAX_LATENCIES)
        self._num_masks = self._num_pictures = self._num_unreadable = 0
        self._is_closing = False

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            signalling = Signalling(self._url, self._token)
            stack.push_async_callback(signalling.end)
            self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            stack.push_async_callback(self._peer.close)
            self._open_channels()
            await self._connect(signalling)
            await self._greeted()
            await stack.enter_async_context(_running(self._work()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(None)
        await self._stack.__aexit__(kind, error, traceback)

    @property
    def hello(self) -> HelloMessage:
        """What the service said of itself, its model and its limits."""
        return self._control.hello.result()

    @property
    def stats(self) -> ClientStats:
        """A snapshot."""
        return ClientStats(
            sent=self._sent.num_sent,
            unsent=self._sent.dropped,
            masks=self._num_masks,
            unreadable=self._num_unreadable + self._control.unread,
            pictures=self._num_pictures,
            latency_s=float(np.median(self._latencies)) if self._latencies else None,
            service=self._control.stats,
        )

    def masks(self) -> AsyncIterator[Masks]:
        """Each mask frame as it comes. Raises ConnectionLost when the session ends by itself."""
        return self._masks

    def video(self) -> AsyncIterator[ReturnedFrame]:
        """The returned video, newest first. Raises ConnectionLost like masks()."""
        return self._pictures

    def events(self) -> AsyncIterator[EventMessage]:
        """Changes in the tracks' lives, in order. Raises ConnectionLost like masks()."""
        return self._control.events

    def prompt(
        self,
        track_id: int,
        *,
        points: Sequence[Point] = (),
        box: tuple[float, float, float, float] | None = None,
        mask: NDArray[np.bool_] | None = None,
        frame: SentFrame | None = None,
        clear: bool = False,
    ) -> "asyncio.Future[Ack]":
        """Begins a track or corrects it; sent at once, await it for the answer.

        Coordinates are 0..1 of the frame; `frame` is the one that was looked at, else the newest
        is taken. Raises PromptError for values out of range; the future raises Refused.
        """
        prompt = Prompt(track_id, points=tuple(points), box=box, mask=mask, clear=clear)
        return self._control.ask(
            type="prompt",
            track_id=prompt.track_id,
            rtp_timestamp=None if frame is None else frame.rtp_timestamp,
            points=[(p.x, p.y, int(p.is_positive)) for p in prompt.points],
            box=prompt.box,
            mask=None if mask is None else rle.to_json(mask),
            clear=prompt.clear,
        )

    def remove(self, track_id: int) -> "asyncio.Future[Ack]":
        """Gives a track up; its number may begin another."""
        return self._control.ask(type="remove", track_id=track_id)

    def configure(
        self,
        output: Mode | str,
        *,
        image: bytes | None = None,
        **options: float | str,
    ) -> "asyncio.Future[Ack]":
        """What comes back from now on: a mode, with the options of output.ConfigureMessage.

        `image` is the file of a picture. The future raises Refused for what makes no sense.
        """
        if image is not None:
            options["image"] = base64.b64encode(image).decode()
        return self._control.ask(type="configure", output=str(output), **options)

    def _open_channels(self) -> None:
        self._sent = SentVideo()
        self._sent.bind(self._peer.addTrack(self._sent))
        (self._video,) = self._peer.getTransceivers()
        release_at_once(self._video.receiver)
        channel = self._peer.createDataChannel(CONTROL)
        self._control = Control(channel.send)
        channel.on("message", self._control.hear)
        channel.on("close", lambda: self._end(ConnectionLost("the service ended the session")))
        masks: RTCDataChannel = self._peer.createDataChannel(MASKS, ordered=False, maxRetransmits=0)
        masks.on("message", self._hear_masks)
        self._peer.on("connectionstatechange", self._watch)

    async def _connect(self, signalling: Signalling) -> None:
        await self._peer.setLocalDescription(await self._peer.createOffer())
        answer = await signalling.exchange(self._peer.localDescription.sdp)
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except ValueError as error:
            raise ConnectError(f"the service's answer is no SDP: {error}") from error

    async def _greeted(self) -> None:
        try:
            async with asyncio.timeout(HELLO_S):
                await asyncio.shield(self._control.hello)
        except (TimeoutError, ConnectionLost) as error:
            raise ConnectError(
                "the service answered, but no media path to it was found: "
                "UDP between the two machines may be blocked"
            ) from error

    async def _work(self) -> None:
        """What goes on in the background; a source that fails ends the session."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sent.pump(self._source))
                tasks.create_task(self._receive(self._video.receiver))
        except ExceptionGroup as group:
            cause = group.exceptions[0]
            lost = ConnectionLost(f"the video could not go on: {cause!r}")
            lost.__cause__ = cause
            self._end(lost)

    async def _receive(self, receiver: RTCRtpReceiver) -> None:
        """Takes the returned video as it comes: aiortc would keep all that nobody took."""
        try:
            while True:
                picture = await receiver.track.recv()
                assert isinstance(picture, av.VideoFrame), "the track was offered as video"
                self._num_pictures += 1
                assert picture.pts is not None, "aiortc stamps what it decodes"
                self._pictures.put(ReturnedFrame(picture, in_rtp(receiver, picture.pts)))
        except MediaStreamError:  # the service ended its video
            self._pictures.close()

    def _hear_masks(self, data: str | bytes) -> None:
        now = time.monotonic()
        try:
            frame = decode(data if isinstance(data, bytes) else data.encode())
        except MaskFrameError:
            self._num_unreadable += 1
            return
        masks = Masks(frame, self._sent.find(frame.in_rtp), now)
        self._num_masks += 1
        if masks.latency_s is not None:
            self._latencies.append(masks.latency_s)
        self._masks.put(masks)

    def _watch(self) -> None:
        if self._peer.connectionState in {"failed", "closed"}:
            self._end(ConnectionLost("the connection to the service was lost"))

    def _end(self, error: ConnectionLost | None) -> None:
        """Once: what comes after the first cause is its consequence."""
        if self._is_closing:
            return
        self._is_closing = True
        self._control.close(error)
        self._masks.close(error)
        self._pictures.close(error)


@asynccontextmanager
async def _running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Work that goes on beside the body and is cancelled at its end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _frames_of(track: MediaStreamTrack) -> AsyncIterator[av.VideoFrame]:
    """A track's frames until it ends."""
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        assert isinstance(frame, av.VideoFrame), f"a track that gives {type(frame).__name__}"
        yield frame
