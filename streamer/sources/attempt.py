"""Attempt: a place opened once and read to its end, in a thread of its own."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import av

from streamer.picture.picture import TIME_BASE, to_frame
from streamer.session.viewer import Arrival, FrameTooLarge
from streamer.sources.bridge import Bridge
from streamer.sources.place import Camera, Place, VideoFile
from streamer.sources.reading import Feed, Reading, Unreadable, of_device, of_file, of_rtsp
from streamer.sources.relay import Relay
from streamer.sources.timeline import Pace, Timeline

log = logging.getLogger(__name__)

SILENCE_S: Final = 5.0
"""Of a camera, after which it counts as gone; and for opening anything."""
_JOIN_S: Final = 3.0
_CLOCK_BITS: Final = 32
"""Of an RTP timestamp (RFC 3550, section 5.1)."""


class Output:
    """Where pictures go, over all attempts of a source."""

    def __init__(self) -> None:
        self.frames = Bridge[Arrival | FrameTooLarge]()
        self.timeline = Timeline()
        self.max_pixels = 0
        """Of a frame; planes of larger ones are not copied."""
        self.size: tuple[int, int] | None = None
        """Width and height of the last picture."""
        self.num_pictures = 0
        self.num_undecoded = 0

    def put(self, picture: av.VideoFrame, pace: Pace | None) -> None:
        """One more picture, at its time where there is a pace. Of the thread."""
        ticks = self.timeline.place(picture.time, time.monotonic())
        if pace is not None:
            pace.wait(ticks)
        self.num_pictures += 1
        self.size = picture.width, picture.height
        if picture.width * picture.height > self.max_pixels:
            self.frames.put(FrameTooLarge(*self.size, self.max_pixels))
            return
        at_s = time.monotonic()
        picture.pts, picture.time_base = ticks, TIME_BASE
        self.frames.put(Arrival(to_frame(picture), ticks % (1 << _CLOCK_BITS), at_s))


class Attempt:
    """open(), then finish(); close() at any time."""

    def __init__(self, place: Place, output: Output) -> None:
        self.is_live = not isinstance(place, VideoFile)
        self.is_closed = False
        self._place = place
        self._output = output
        self._relay = Relay(place) if isinstance(place, Camera) else None
        self._stop, self._go = threading.Event(), threading.Event()
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = loop.create_future()
        self._finished: asyncio.Future[None] = loop.create_future()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        """Raises Unreadable."""
        feed = await self._feed()
        # Nothing ends a thread that waits for a driver: it must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, args=(feed,), name="source", daemon=True)
        self._thread.start()
        await asyncio.wait((self._opened, self._finished), return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            await self.finish()

    async def finish(self) -> None:
        """Lets the pictures come; returns after the last. Raises Unreadable when it breaks off."""
        self._go.set()
        try:
            await asyncio.shield(self._finished)
        except Unreadable as error:
            fault = None if self._relay is None else self._relay.fault
            if fault is None:
                raise
            raise Unreadable(fault) from error

    async def close(self) -> None:
        """Ends the reading, and waits a moment for its thread."""
        self.is_closed = True
        self._stop.set()
        self._go.set()
        if self._relay is not None:
            await self._relay.close()
        if self._thread is None:
            return
        await asyncio.wait((self._finished,), timeout=_JOIN_S)
        if not self._finished.done():
            log.warning("a source's thread did not end within %s s", _JOIN_S)
        elif not self._finished.cancelled():
            self._finished.exception()  # who closes does not ask how it ended

    async def _feed(self) -> Feed:
        if self._relay is None:
            assert not isinstance(self._place, Camera)
            return (
                of_file(self._place.path)
                if isinstance(self._place, VideoFile)
                else of_device(self._place)
            )
        try:
            async with asyncio.timeout(SILENCE_S):
                return of_rtsp(await self._relay.open(), SILENCE_S)
        except TimeoutError as error:
            raise Unreadable("the camera does not take connections") from error
        except OSError as error:  # TLS's are among them
            raise Unreadable(f"no connection to the camera: {error.strerror or error}") from error

    def _run(self, feed: Feed) -> None:
        """Of the thread."""
        try:
            reading = Reading(feed)
            self._tell(lambda: _settle(self._opened, None))
            try:
                self._read(reading)
            finally:
                reading.close()
        except BaseException as error:  # noqa: BLE001 (the loop raises it again)
            fault = error
            self._tell(lambda: _settle(self._finished, fault))
        else:
            self._tell(lambda: _settle(self._finished, None))

    def _read(self, reading: Reading) -> None:
        self._go.wait()
        undecoded_before = self._output.num_undecoded
        pace = None if self.is_live else Pace(self._stop)
        for picture in reading.pictures():
            if self._stop.is_set():
                return
            self._output.put(picture, pace)
            self._output.num_undecoded = undecoded_before + reading.num_undecoded

    def _tell(self, settle: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._opened.get_loop().call_soon_threadsafe(settle)


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
