"""MaskReader: one more reader of a session's masks, beside its viewer. The newest frame wins."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from sam2_rt.engine import StepResult
from sam2_rt.tracking.frame import Frame
from streamer.masks import mask_message
from streamer.picture.painter import paint
from streamer.session.slot import Slot
from streamer.session.viewer import Arrival

MAX_BYTES: Final = 32_768
"""Of one message: a stream over TCP is not cut into datagrams, so the grid may be finer."""

_Write = Callable[[Frame, StepResult, mask_message.Facts, int], bytes | str]


@dataclass(frozen=True, slots=True, eq=False)
class Stepped:
    """A frame, what the engine made of it, and the viewer's last prompt carried out by then."""

    arrival: Arrival
    result: StepResult
    prompt_seq: int | None


class MaskReader:
    """Made by MaskSender.read()."""

    def __init__(
        self,
        painter: Executor,
        num_skipped: Callable[[], int],
        out_rtp: Callable[[int], int],
        *,
        is_text: bool,
    ) -> None:
        self._painter = painter
        self._num_skipped = num_skipped
        """Frames dropped before the engine since the session began."""
        self._out_rtp = out_rtp
        self._write: _Write = mask_message.write_text if is_text else mask_message.write
        self._newest = Slot[Stepped]()
        self._reported = num_skipped()

    def put(self, stepped: Stepped) -> None:
        """One more frame, in place of one that was not read."""
        self._newest.put(stepped)

    async def read(self) -> bytes | str:
        """The message of the newest frame, once there is one that was not read."""
        stepped = await self._newest.take()
        arrival, skipped = stepped.arrival, self._num_skipped()
        facts = mask_message.Facts(
            in_rtp=arrival.in_rtp,
            out_rtp=self._out_rtp(arrival.frame.pts),
            prompt_seq=stepped.prompt_seq,
            arrived_s=arrival.at_s,
            dropped=skipped - self._reported,
        )
        self._reported = skipped
        parts = (arrival.frame, stepped.result, facts, MAX_BYTES)
        return await paint(self._painter, self._write, *parts)
