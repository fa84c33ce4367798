"""SharedEncoder: one encode for all who watch; each of their senders sends the same payloads.

An RTCRtpSender of aiortc 1.16 encodes by itself what its track gives. Here its step from track to
payloads is replaced; numbering, encryption, retransmission and reports stay its own.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiortc import RTCRtpCodecParameters, RTCRtpSender
from aiortc.codecs import get_encoder
from aiortc.rtcrtpsender import RTCEncodedFrame

import streamer.rtc.h264_encoder
import streamer.rtc.vp8_encoder  # noqa: F401 (both put their encoders into aiortc)
from sam2_rt.tracking.frame import Frame
from streamer.picture.picture import to_picture
from streamer.session.slot import Slot

KEY_INTERVAL_S: Final = 0.5
"""Between key frames that are asked for: many watchers may ask, and each frame costs all."""
_MAX_WAITING: Final = 30
"""Frames that a sender has not sent yet: a second. Sending waits for nobody, so few ever wait."""


class Feed:
    """The encoded frames of one watcher, from a key frame on."""

    def __init__(self, ask_for_key: Callable[[], None]) -> None:
        self._ask_for_key = ask_for_key
        self._frames = asyncio.Queue[RTCEncodedFrame](maxsize=_MAX_WAITING)
        self._needs_key = True

    def put(self, frame: RTCEncodedFrame, *, is_key: bool) -> None:
        """One more. When too many wait they are dropped, and a key frame is asked for."""
        if self._needs_key and not is_key:
            return
        self._needs_key = False
        if self._frames.full():
            self._needs_key = True
            while not self._frames.empty():
                self._frames.get_nowait()
            self._ask_for_key()
            return
        self._frames.put_nowait(frame)

    async def take(self) -> RTCEncodedFrame:
        """The next to send."""
        return await self._frames.get()


class SharedEncoder:
    """An encoder of one codec. run() goes on as long as somebody watches."""

    def __init__(self, codec: RTCRtpCodecParameters, on_encode: Callable[[], None]) -> None:
        self._encoder = get_encoder(codec)
        self._on_encode = on_encode
        """Called for each frame that was encoded."""
        self._pictures = Slot[Frame]()
        self._feeds: list[Feed] = []
        """As many as there are watchers."""
        self._wants_key = True
        self._key_at_s = -KEY_INTERVAL_S

    def put(self, frame: Frame) -> None:
        """The newest picture; nothing is encoded for nobody."""
        if self._feeds:
            self._pictures.put(frame)

    def join(self) -> Feed:
        """One more watcher; the next frame is a key frame, or one soon after."""
        feed = Feed(self.ask_for_key)
        self._feeds.append(feed)
        self.ask_for_key()
        return feed

    def leave(self, feed: Feed) -> None:
        """One less."""
        self._feeds.remove(feed)

    def ask_for_key(self) -> None:
        """A watcher has joined, or lost too much (PLI, FIR: RFC 4585, RFC 5104)."""
        self._wants_key = True

    async def run(self) -> None:
        """Encodes the newest picture, again and again. Raises what the codec raises."""
        loop = asyncio.get_running_loop()
        while True:
            picture = to_picture(await self._pictures.take())
            is_key = self._wants_key and time.monotonic() - self._key_at_s >= KEY_INTERVAL_S
            if is_key:
                self._wants_key = False
                self._key_at_s = time.monotonic()
            payloads, ticks = await loop.run_in_executor(
                None, self._encoder.encode, picture, is_key
            )
            self._on_encode()
            if not payloads:
                continue
            frame = RTCEncodedFrame(payloads, ticks, None)  # type: ignore[arg-type] # aiortc's None
            for feed in self._feeds:
                feed.put(frame, is_key=is_key)


class Broadcast:
    """The encoders of one session's watchers: one of each codec that is watched in."""

    def __init__(
        self, on_encode: Callable[[], None], on_fault: Callable[[Exception], None]
    ) -> None:
        self._on_encode = on_encode
        self._on_fault = on_fault
        """Called when an encoder has failed; its watchers get no more."""
        self._encoders: dict[str, SharedEncoder] = {}
        """By MIME type: H.264 and VP8 at most."""
        self._tasks: set[asyncio.Task[None]] = set()
        """One for each."""

    def put(self, frame: Frame) -> None:
        """The newest picture."""
        for encoder in self._encoders.values():
            encoder.put(frame)

    def encoder_for(self, codec: RTCRtpCodecParameters) -> SharedEncoder:
        """The one encoder of this codec."""
        encoder = self._encoders.get(codec.mimeType)
        if encoder is None:
            encoder = SharedEncoder(codec, self._on_encode)
            self._encoders[codec.mimeType] = encoder
            task = asyncio.create_task(self._run(encoder, codec.mimeType))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return encoder

    async def close(self) -> None:
        """Ends the encoders."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, encoder: SharedEncoder, mime_type: str) -> None:
        try:
            await encoder.run()
        except Exception as error:  # noqa: BLE001 (the boundary of those who watch)
            del self._encoders[mime_type]  # who comes next gets another
            self._on_fault(error)


def send_from(
    sender: RTCRtpSender, broadcast: Broadcast, on_take: Callable[[int], None]
) -> Callable[[], None]:
    """Makes a sender send what the encoder of its codec gives; returns how it leaves that.

    on_take is told the pts of each frame when the sender takes it, before its first packet leaves.
    """
    joined: list[tuple[SharedEncoder, Feed]] = []
    """One, once it is known what codec the sender has to send."""

    async def next_encoded_frame(codec: RTCRtpCodecParameters) -> RTCEncodedFrame:
        if not joined:
            encoder = broadcast.encoder_for(codec)
            joined.append((encoder, encoder.join()))
            sender._send_keyframe = encoder.ask_for_key  # type: ignore[method-assign]  # noqa: SLF001
        frame = await joined[0][1].take()
        on_take(frame.timestamp)
        return frame

    def leave() -> None:
        for encoder, feed in joined:
            encoder.leave(feed)
        joined.clear()

    sender._next_encoded_frame = next_encoded_frame  # type: ignore[method-assign]  # noqa: SLF001
    return leave
