"""MaskFeed: the masks of a session's newest frame to one data channel, as much as it may carry."""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Protocol

from sam2_rt.engine import StepResult
from sam2_rt.tracking.frame import Frame
from streamer.masks import mask_message
from streamer.masks.mask_budget import MaskBudget
from streamer.picture.painter import paint
from streamer.session.slot import Slot
from streamer.session.viewer import Arrival

Write = Callable[[Frame, StepResult, mask_message.Facts, int], bytes | str]


class Receiver(Protocol):
    """Whoever gets the masks: the session's viewer, or one who watches."""

    @property
    def wants_masks(self) -> bool:
        """There is an open channel for them."""

    def send_masks(self, message: bytes | str) -> bool:
        """Sends now; False when the channel is full or closed."""

    def out_rtp(self, pts: int) -> int:
        """RTP timestamp of the frame with this pts in the video that it gets; 0: none yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Stepped:
    """A frame, what the engine made of it, and the viewer's last prompt carried out by then."""

    arrival: Arrival
    result: StepResult
    prompt_seq: int | None

    def facts(self, out_rtp: Callable[[int], int], dropped: int) -> mask_message.Facts:
        """What a message says of it besides masks."""
        arrival = self.arrival
        return mask_message.Facts(
            in_rtp=arrival.in_rtp,
            out_rtp=out_rtp(arrival.frame.pts),
            prompt_seq=self.prompt_seq,
            arrived_s=arrival.at_s,
            dropped=dropped,
        )


class MaskFeed:
    """run() goes on as long as the receiver does; made by MaskSender."""

    def __init__(
        self,
        receiver: Receiver,
        painter: Executor,
        num_skipped: Callable[[], int],
        on_drop: Callable[[], None] = lambda: None,
        on_sent: Callable[[int, int], None] = lambda _pts, _num_bytes: None,
    ) -> None:
        """on_drop is told of each frame whose masks were left out, on_sent of pts and bytes."""
        self.is_text = False
        """JSON in place of SMSK."""
        self._receiver = receiver
        self._painter = painter
        self._on_drop = on_drop
        self._on_sent = on_sent
        self._num_skipped = num_skipped
        """Frames dropped before the engine since the session began."""
        self._reported = num_skipped()
        """Of them, what the receiver has been told of."""
        self._newest = Slot[Stepped](on_drop=on_drop)
        self._budget = MaskBudget()

    def put(self, stepped: Stepped) -> None:
        """One more frame, in place of one that was not sent."""
        if self._receiver.wants_masks:
            self._newest.put(stepped)

    async def run(self) -> None:
        """Writes and sends the newest frame's masks, again and again; nothing queues."""
        while True:
            stepped = await self._newest.take()
            arrival, skipped = stepped.arrival, self._num_skipped()
            room = self._budget.room(time.monotonic())
            if room == 0:
                self._on_drop()
                continue
            facts = stepped.facts(self._receiver.out_rtp, skipped - self._reported)
            write: Write = mask_message.write_text if self.is_text else mask_message.write
            parts = (arrival.frame, stepped.result, facts, room)
            message = await paint(self._painter, write, *parts)
            if self._receiver.send_masks(message):
                self._reported = skipped
                self._budget.spend(len(message))
                self._on_sent(arrival.frame.pts, len(message))
            else:
                self._budget.back_off()
                self._on_drop()
