"""The other side of a WebRTC connection: plain aiortc, so that nothing of ours judges itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import httpx
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError
from fake_viewer import eventually

from streamer.masks import mask_frame


class Camera(VideoStreamTrack):
    """A picture of changing grey, 30 a second, of the sizes given in turn (each for 15 frames)."""

    def __init__(self, sizes: Sequence[tuple[int, int]] = ((96, 128),)) -> None:
        super().__init__()
        self.sizes = sizes
        self.num_sent = 0
        self.runs = asyncio.Event()
        """Cleared: no frame leaves."""
        self.runs.set()

    async def recv(self) -> av.VideoFrame:
        await self.runs.wait()
        pts, _ = await self.next_timestamp()
        height, width = self.sizes[self.num_sent // 15 % len(self.sizes)]
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            np.frombuffer(memoryview(plane), np.uint8)[:] = 60 + self.num_sent % 100
        frame.pts, frame.time_base = pts, Fraction(1, 90_000)
        self.num_sent += 1
        return frame


class OtherSide:
    """Offers a camera and both channels, and keeps what comes back."""

    def __init__(self, camera: MediaStreamTrack | None = None) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.camera = camera or Camera()
        self.sender = self.connection.addTrack(self.camera)
        self.control = self.connection.createDataChannel("control")
        self.channel = self.connection.createDataChannel("masks", ordered=False, maxRetransmits=0)
        self.said: list[dict[str, Any]] = []
        self.masks: list[mask_frame.MaskFrame] = []
        self.pictures: list[av.VideoFrame] = []
        self.receiver: Any = None
        self._pump: asyncio.Task[None] | None = None
        self.control.on("message", lambda text: self.said.append(json.loads(text)))
        self.channel.on("message", lambda data: self.masks.append(mask_frame.decode(data)))
        self.connection.on("track", self._take_track)

    def _take_track(self, track: MediaStreamTrack) -> None:
        self.receiver = self.connection.getTransceivers()[0].receiver
        self._pump = asyncio.create_task(self._take_pictures(track))

    async def _take_pictures(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                picture = await track.recv()
                self.pictures = [*self.pictures[-99:], picture]
        except MediaStreamError:  # the track has ended
            return

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def connect(self, url: str) -> str:
        """The session's location."""
        async with httpx.AsyncClient(base_url=url) as http:
            body = {"sdp": await self.offer(), "type": "offer"}
            answer = (await http.post("/offer", json=body)).raise_for_status().json()
        await self.accept(answer["sdp"])
        return str(answer["location"])

    def tell(self, **message: object) -> None:
        self.control.send(json.dumps(message))

    def click(self, seq: int = 1, track_id: int = 1) -> None:
        self.tell(type="prompt", seq=seq, track_id=track_id, points=[[0.5, 0.5, 1]])

    def errors(self) -> list[tuple[str, int | None]]:
        return [(m["code"], m["seq"]) for m in self.said if m["type"] == "error"]

    async def close(self) -> None:
        await self.connection.close()
        if self._pump is not None:
            await self._pump


@asynccontextmanager
async def connected(url: str, camera: MediaStreamTrack | None = None) -> AsyncIterator[OtherSide]:
    """Connected, greeted, and with masks coming."""
    other = OtherSide(camera)
    try:
        await other.connect(url)
        await eventually(lambda: len(other.masks) >= 2)
        await eventually(lambda: len(other.said) >= 1)
        yield other
    finally:
        await other.close()
