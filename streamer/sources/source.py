"""Source: a Viewer of a session that fetches its frames by itself and speaks no WebRTC."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

from sam2_rt.tracking.frame import Frame
from streamer.config import Settings
from streamer.message import Message
from streamer.session.inbox import Inbox
from streamer.session.viewer import Arrival, FrameTooLarge, Outcome, ViewerLeft
from streamer.sources.attempt import Attempt, Output
from streamer.sources.place import PlaceRefused, find, shown
from streamer.sources.reading import Unreadable

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 8.0
"""Between two attempts to reach a camera that went away; doubled each time."""
_LAST_FRAME_S: Final = 1.0
"""After a file's last frame, for the engine to answer."""
_KEPT_TEXTS: Final = 256
"""Said while the controller does not read; the oldest are let go."""

State = Literal["opening", "playing", "reconnecting", "ended"]


class Controlled(Exception):
    """Somebody has the control already."""


class SourceMessage(Message):
    """How a source is, on its control socket: at each change."""

    type: Literal["source"] = "source"
    state: State
    reason: str | None = None
    """Why it is not playing."""


class Source:
    """One file, device or camera, from connect() to close()."""

    wants_masks = False
    wants_pictures = False

    def __init__(self, url: str, settings: Settings, *, loops: bool = False) -> None:
        self.shown_url = shown(url)
        """Without what may be secret."""
        self.state: State = "opening"
        self.reason: str | None = None
        """Why it is not playing, in words."""
        self.num_attempts = 0
        self.on_open: Callable[[], None] = lambda: None
        self.on_message: Callable[[str | bytes], None] = lambda _text: None
        self.on_end: Callable[[Outcome], None] = lambda _outcome: None
        self.on_sent: Callable[[int], None] = lambda _pts: None
        self.on_closed: Callable[[], None] = lambda: None
        """Called when nothing is left of it."""
        self._url = url
        self._settings = settings
        self._loops = loops
        self._output = Output()
        self._attempt: Attempt | None = None
        self._playing: asyncio.Task[None] | None = None
        self._greeting: str | None = None
        """The first that was said."""
        self._controller: Inbox[str] | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the last picture."""
        return self._output.size

    @property
    def num_pictures(self) -> int:
        """That were decoded."""
        return self._output.num_pictures

    @property
    def num_undecoded(self) -> int:
        """Packets that no picture came of."""
        return self._output.num_undecoded

    async def connect(self) -> str:
        """Opens it; there is nothing to agree on. Raises PlaceRefused or Unreadable."""
        await self._try()
        return ""

    async def receive(self, max_pixels: int) -> Arrival:
        """The newest frame. Raises FrameTooLarge, or ViewerLeft when there is no more."""
        self._output.max_pixels = max_pixels
        if self._playing is None:
            self.on_open()
            self._playing = asyncio.create_task(self._play())
        taking = asyncio.ensure_future(self._output.frames.take())
        try:
            await asyncio.wait((taking, self._playing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not taking.done():
                taking.cancel()
        if not taking.done() or taking.cancelled():
            self._playing.result()  # raises what it fell by
            raise ViewerLeft
        taken = taking.result()
        if isinstance(taken, FrameTooLarge):
            raise taken
        return taken

    @contextmanager
    def control(self) -> Iterator[Inbox[str]]:
        """What is said from here on, the greeting first. Raises Controlled."""
        if self._controller is not None:
            raise Controlled
        self._controller = inbox = Inbox[str](_KEPT_TEXTS)
        if self._greeting is not None:
            inbox.put(self._greeting)
            inbox.put(self._message())
        try:
            yield inbox
        finally:
            self._controller = None

    def say(self, text: str) -> None:
        """To the controller; to nobody while there is none."""
        is_greeting = self._greeting is None
        if is_greeting:
            self._greeting = text
        if self._controller is not None:
            self._controller.put(text)
            if is_greeting:
                self._controller.put(self._message())

    def send_masks(self, _message: bytes | str) -> bool:
        """Never: masks are read over WebSockets."""
        return False

    def show(self, _frame: Frame) -> bool:
        """Never asked: the video is for those who watch."""
        return False

    def out_rtp(self, _pts: int) -> int:
        """No video goes back to the source."""
        return 0

    async def close(self) -> None:
        """Ends it and frees what it holds."""
        try:
            if self._playing is not None:
                self._playing.cancel()
                await asyncio.wait((self._playing,))
                if not self._playing.cancelled():
                    self._playing.exception()  # told by receive(), if anybody asked
            if self._attempt is not None:
                await self._attempt.close()
        finally:
            self._tell("ended", self.reason)
            if self._controller is not None:
                self._controller.close()
            self.on_closed()

    async def _try(self) -> None:
        """One attempt; the host is resolved, and checked, for each."""
        place = await find(self._url, self._settings)
        self.num_attempts += 1
        self._attempt = Attempt(place, self._output)
        await self._attempt.open()

    async def _play(self) -> None:
        """Attempt after attempt, until there is nothing more to come."""
        pause_s = FIRST_PAUSE_S
        while True:
            assert self._attempt is not None
            before, reason = self._output.num_pictures, None
            try:
                await self._go_on()
            except (PlaceRefused, Unreadable) as error:
                reason = str(error)
            await self._attempt.close()
            self._output.timeline.begin_anew()
            has_pictures = self._output.num_pictures > before
            if self._attempt.is_live:
                pause_s = FIRST_PAUSE_S if has_pictures else min(2 * pause_s, LONGEST_PAUSE_S)
                self._tell("reconnecting", reason or "the camera has ended its video")
                log.info("%s: %s; again in %.1f s", self.shown_url, self.reason, pause_s)
                await asyncio.sleep(pause_s)
            elif reason is not None or not has_pictures or not self._loops:
                await asyncio.sleep(_LAST_FRAME_S)
                self._tell("ended", reason or "the end of the file")
                self.on_end(Outcome.FINISHED)
                return

    async def _go_on(self) -> None:
        """With the attempt that is open, or another one."""
        assert self._attempt is not None
        if self._attempt.is_closed:
            await self._try()
        self._tell("playing", None)
        await self._attempt.finish()

    def _tell(self, state: State, reason: str | None) -> None:
        is_news = (state, reason) != (self.state, self.reason)
        self.state, self.reason = state, reason
        if is_news and self._controller is not None and self._greeting is not None:
            self._controller.put(self._message())

    def _message(self) -> str:
        return SourceMessage(state=self.state, reason=self.reason).model_dump_json()
