"""Display: the returned video of one session: the newest stepped frame, in the chosen output."""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from sam2_rt.engine import StepResult
from sam2_rt.tracking.frame import Frame
from streamer.picture.background import read_image
from streamer.picture.compositor import Compositor, still_hides
from streamer.picture.output import Mode, Output
from streamer.picture.painter import paint
from streamer.protocol import AckMessage, ConfigureMessage, ProtocolError
from streamer.session.conversation import Conversation
from streamer.session.slot import Slot
from streamer.session.tally import Tally
from streamer.session.viewer import Viewer

_MAX_CONFIGURES_WAITING: Final = 8
"""Each waits at most for a picture to be decoded; more are answered `busy`."""


_AUDIENCE_OUTPUT: Final = Output()
"""For those who watch while the viewer takes masks only."""


class Audience(Protocol):
    """Others who see what the viewer gets back."""

    @property
    def wants_pictures(self) -> bool:
        """Somebody watches the video."""

    @property
    def wants_masks(self) -> bool:
        """Somebody watches the mask."""

    def show(self, frame: Frame) -> None:
        """The newest picture."""

    def show_mask(self, frame: Frame) -> None:
        """The mask of the newest frame, in grey."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """A frame, what the engine made of it, and whether a frame without objects is hidden."""

    frame: Frame
    result: StepResult
    hides: bool


class Display:
    """show() and configure() run side by side as long as the session."""

    def __init__(
        self, viewer: Viewer, painter: Executor, conversation: Conversation, tally: Tally
    ) -> None:
        self.output = Output()
        """What the viewer gets back now; the offer may choose first and the viewer later."""
        self.audience: Audience | None = None
        self._viewer = viewer
        self._painter = painter
        self._conversation = conversation
        self._tally = tally
        self._to_show = Slot[_Shown](on_drop=lambda: tally.drop("encode"))
        self._configures = asyncio.Queue[ConfigureMessage](maxsize=_MAX_CONFIGURES_WAITING)
        self._compositor = Compositor()
        self._hides = False
        conversation.on_configure = self._take

    def put(self, frame: Frame, result: StepResult) -> None:
        """One more frame; called for every one that was stepped."""
        self._hides = still_hides(self._hides, result)
        if self._is_for_viewer() or self._is_watched() or self._is_mask_watched():
            self._to_show.put(_Shown(frame, result, self._hides))

    async def show(self) -> None:
        """Paints the newest frame and leaves it to the encoder, again and again."""
        while True:
            shown = await self._to_show.take()
            if self._is_mask_watched():
                await self._show_mask(shown)
            if self._is_for_viewer() or self._is_watched():
                await self._show_picture(shown)

    async def _show_picture(self, shown: _Shown) -> None:
        picture, output = shown.frame, self.output
        is_for_viewer = self._is_for_viewer()
        if output.mode is Mode.MASKS:
            output = _AUDIENCE_OUTPUT
        if output.mode is not Mode.NONE:
            parts = (picture, shown.result.masks, output, shown.hides)
            picture = await paint(self._painter, self._compositor.paint, *parts)
        if self.audience is not None:
            self.audience.show(picture)
        if not is_for_viewer:
            return
        self._tally.compose(picture.pts)
        if not self._viewer.show(picture):
            self._tally.drop("encode")

    async def _show_mask(self, shown: _Shown) -> None:
        parts = (shown.frame, shown.result.masks)
        mask = await paint(self._painter, self._compositor.mask, *parts)
        if self.audience is not None:
            self.audience.show_mask(mask)

    async def configure(self) -> None:
        """Changes the output in the order of the wishes; pictures are decoded beside the loop."""
        while True:
            message = await self._configures.get()
            image = None
            try:
                if message.image is not None:
                    image = await paint(self._painter, read_image, message.image_file())
            except ProtocolError as error:
                self._conversation.refuse(ProtocolError(error.code, str(error), message.seq))
                continue
            self.output = message.to_output(image)
            self._conversation.say(AckMessage(seq=message.seq))

    def _is_for_viewer(self) -> bool:
        return self._viewer.wants_pictures and self.output.mode is not Mode.MASKS

    def _is_watched(self) -> bool:
        return self.audience is not None and self.audience.wants_pictures

    def _is_mask_watched(self) -> bool:
        return self.audience is not None and self.audience.wants_masks

    def _take(self, message: ConfigureMessage) -> None:
        try:
            self._configures.put_nowait(message)
        except asyncio.QueueFull as error:
            waiting = f"{_MAX_CONFIGURES_WAITING} changes of the output wait"
            raise ProtocolError("busy", waiting, message.seq) from error
