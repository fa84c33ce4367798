"""One who watches by WHEP: plain aiortc, which keeps what comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

SDP = {"Content-Type": "application/sdp"}


class Watching:
    """Offers to receive one video, and masks where it is asked to."""

    def __init__(self, codec: str | None = None, *, has_masks: bool = False) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.video = self.connection.addTransceiver("video", direction="recvonly")
        if codec is not None:
            codecs = RTCRtpReceiver.getCapabilities("video").codecs
            self.video.setCodecPreferences([c for c in codecs if c.mimeType == codec])
        self.messages: list[bytes] = []
        """Of the last masks."""
        self.pictures: list[av.VideoFrame] = []
        self.has_ended = asyncio.Event()
        self.connection.on("track", self._take_track)
        self._pump: asyncio.Task[None] | None = None
        if has_masks:
            channel = self.connection.createDataChannel("masks", ordered=False, maxRetransmits=0)
            channel.on("message", self._take_masks)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def join(self, http: httpx.AsyncClient, path: str) -> httpx.Response:
        answer = await http.post(path, content=await self.offer(), headers=SDP)
        if answer.status_code == 201:
            await self.accept(answer.text)
        return answer

    async def ask_for_key(self) -> None:
        receiver: Any = self.video.receiver
        (ssrc,) = receiver._RTCRtpReceiver__remote_streams
        await receiver._send_rtcp_pli(ssrc)

    async def close(self) -> None:
        await self.connection.close()
        if self._pump is not None:
            self._pump.cancel()  # a track that never began does not end

    def _take_masks(self, message: bytes) -> None:
        self.messages = [*self.messages[-99:], message]

    def _take_track(self, track: MediaStreamTrack) -> None:
        self._pump = asyncio.create_task(self._take_pictures(track))

    async def _take_pictures(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                self.pictures = [*self.pictures[-99:], await track.recv()]
        except MediaStreamError:
            self.has_ended.set()


@asynccontextmanager
async def watching(
    http: httpx.AsyncClient, path: str, codec: str | None = None, *, has_masks: bool = False
) -> AsyncIterator[tuple[Watching, httpx.Response]]:
    watcher = Watching(codec, has_masks=has_masks)
    try:
        answer = await watcher.join(http, path)
        yield watcher, answer
    finally:
        await watcher.close()
