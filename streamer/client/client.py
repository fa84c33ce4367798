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
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Literal, Self

import av
import numpy as np
from aiortc import MediaStreamTrack
from numpy.typing import NDArray

from sam2_rt import rle
from sam2_rt.tracking.prompt import Point, Prompt
from streamer.client.arrivals import Arrivals, ClientStats, Masks, ReturnedFrame
from streamer.client.control import log_refusal
from streamer.client.errors import ConnectError, ConnectionLost, SessionEnded, SessionOver
from streamer.client.link import Counts, Link, pauses, running
from streamer.client.signalling import Signalling
from streamer.client.track import SentFrame, frames_of
from streamer.picture.output import Mode
from streamer.protocol import AckMessage as Ack
from streamer.protocol import EventMessage, HelloMessage
from streamer.session.handover import How

RESUME_S: Final = 20.0
"""For which another connection is tried for when one has died."""

_log = logging.getLogger(__name__)


class Client:
    """A stay with the service: an async context manager, used once.

    It raises SessionEnded, a kind of ConnectionLost, when the service ends it by one of its limits.
    When the connection dies or the service drains, it goes on over another one, and tracking with
    it, under the same ids. What was asked and not yet answered raises ConnectionLost.
    """

    def __init__(
        self,
        url: str,
        source: MediaStreamTrack | AsyncIterator[av.VideoFrame],
        *,
        token: str | None = None,
        resume_s: float = RESUME_S,
    ) -> None:
        self._url = url
        self._token = token
        """For a service that asks for one (RFC 6750)."""
        self._resume_s = resume_s
        """For how long another connection is tried for when one has died; 0: not at all."""
        self._source = frames_of(source) if isinstance(source, MediaStreamTrack) else source
        self._arrivals = Arrivals()
        self._output: dict[str, Any] | None = None
        """What was configured last; another connection begins with it."""
        self._stack = AsyncExitStack()
        self._left = Counts()
        self._is_closing = False
        self._moving = asyncio.Lock()
        """Held while another connection is looked for: two would take each other's tracks."""

    async def __aenter__(self) -> Self:
        self._link = await self._open(self._url, None)
        self._stack.push_async_callback(self._close_link)
        await self._stack.enter_async_context(running(self._work()))
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
        return self._link.control.hello.result()

    @property
    def resumed(self) -> tuple[int, ...]:
        """Tracks that this connection took over from the one before."""
        return self._link.resumed

    @property
    def resumed_how(self) -> How | None:
        """`memory`: nothing was lost; `boxes`: begun anew where they were; None: the first."""
        return self._link.resumed_how

    @property
    def stats(self) -> ClientStats:
        """A snapshot."""
        arrivals, now = self._arrivals, self._left.plus(self._link)
        return ClientStats(
            sent=now.sent,
            unsent=now.unsent,
            masks=arrivals.num_masks,
            unreadable=arrivals.num_unreadable + now.unread,
            pictures=arrivals.num_pictures,
            latency_s=arrivals.latency_s,
            service=self._link.control.stats,
            moves=self._left.moves,
        )

    def masks(self) -> AsyncIterator[Masks]:
        """Each mask frame as it comes. Raises ConnectionLost when the session ends by itself."""
        return self._arrivals.masks

    def video(self) -> AsyncIterator[ReturnedFrame]:
        """The returned video, newest first. Raises ConnectionLost like masks()."""
        return self._arrivals.pictures

    def events(self) -> AsyncIterator[EventMessage]:
        """Changes in the tracks' lives, in order. Raises ConnectionLost like masks()."""
        return self._arrivals.events

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
        return self._link.control.ask(
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
        return self._link.control.ask(type="remove", track_id=track_id)

    def undo(self, track_id: int) -> "asyncio.Future[Ack]":
        """Takes back the last prompt about a track, which goes if it rests on that one alone."""
        return self._link.control.ask(type="undo", track_id=track_id)

    def auto(self, how: Literal["center", "largest", "grid"]) -> "asyncio.Future[Ack]":
        """Begins tracks on what is found; the answer is of the first, events tell of all."""
        return self._link.control.ask(type="auto", how=how)

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
        self._output = {"output": str(output), **options}
        return self._link.control.ask(type="configure", **self._output)

    async def move(self, url: str) -> None:
        """Goes on at another service, which shares its resume secret with this one.

        The connection that there is stays until the new one stands. Raises ConnectError.
        """
        async with self._moving:
            await self._take(await self._open(url, self._link.control.resume))

    async def _work(self) -> None:
        """What goes on in the background; a source that fails ends the session."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump())
                tasks.create_task(self._stay_connected())
        except ExceptionGroup as group:
            cause = group.exceptions[0]
            lost = ConnectionLost(f"the video could not go on: {cause!r}")
            lost.__cause__ = cause
            self._end(lost)

    async def _pump(self) -> None:
        """Hands each frame to the connection that there is."""
        index = 0
        async for picture in self._source:
            self._link.put(index, picture)
            index += 1
        self._link.sent.end()

    async def _stay_connected(self) -> None:
        """Follows the service where it goes, until it cannot be found any more."""
        while True:
            link = self._link
            left: set[asyncio.Future[Any]] = {link.lost, link.control.migrate}
            await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            async with self._moving:
                if link is not self._link:  # move() was faster
                    continue
                try:
                    found = await self._follow(link)
                except ConnectionLost as lost:
                    self._end(lost)
                    return
                await self._take(found)

    async def _follow(self, link: Link) -> Link:
        """The connection after this one, which is lost or asked to be left.

        Raises ConnectionLost when there is none, or the service has ended the session.
        """
        if not link.lost.done():
            asked = link.control.migrate.result()
            found = await self._look_for(asked.url or self._url, asked.seconds)
            if found is not None:
                return found
            await asyncio.wait((link.lost,))
        lost = link.lost.result()
        is_over = isinstance(lost, SessionEnded)
        found = None if is_over else await self._look_for(self._url, self._resume_s)
        if found is None:
            raise lost
        return found

    async def _look_for(self, url: str, seconds: float) -> Link | None:
        """Another connection that goes on with the tracks; None when there was none in time.

        Raises SessionEnded.
        """
        give_up_s = time.monotonic() + min(seconds, self._resume_s)
        for pause_s in pauses():
            if time.monotonic() >= give_up_s:
                return None
            try:
                return await self._open(url, self._link.control.resume)
            except SessionOver as over:
                raise SessionEnded(f"the service ended the session: {over}") from over
            except ConnectError as error:
                _log.info("no other connection yet: %s", error)
            await asyncio.sleep(pause_s)
        return None

    async def _open(self, url: str, resume: str | None) -> Link:
        link = await Link.reach(Signalling(url, self._token), self._arrivals, resume)
        if self._output is not None:
            answer = link.control.ask(type="configure", **self._output)
            answer.add_done_callback(log_refusal)
        return link

    async def _take(self, link: Link) -> None:
        """Goes on over this connection."""
        old, self._link = self._link, link
        await link.take_over(old)
        self._left = self._left.plus(old, moves=1)

    async def _close_link(self) -> None:
        await self._link.close()

    def _end(self, error: ConnectionLost | None) -> None:
        """Once: what comes after the first cause is its consequence."""
        if self._is_closing:
            return
        self._is_closing = True
        self._link.control.close(error)
        self._arrivals.close(error)
