"""MaskSender: the masks of one session's newest frame, in the form and size that may be sent."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from sam2_rt.engine import StepResult
from sam2_rt.tracking.frame import Frame
from streamer.masks import mask_message
from streamer.masks.mask_budget import MaskBudget
from streamer.masks.mask_reader import MaskReader, Stepped
from streamer.picture.painter import paint
from streamer.protocol import AckMessage, MasksMessage
from streamer.session.conversation import Conversation
from streamer.session.slot import Slot
from streamer.session.tally import Tally
from streamer.session.viewer import Arrival, Viewer


class MaskSender:
    """run() goes on as long as the session."""

    def __init__(
        self,
        viewer: Viewer,
        painter: Executor,
        conversation: Conversation,
        tally: Tally,
        num_skipped: Callable[[], int],
    ) -> None:
        self._viewer = viewer
        self._painter = painter
        self._conversation = conversation
        self._tally = tally
        self._num_skipped = num_skipped
        """Frames dropped before the engine since the session began."""
        self._to_send = Slot[Stepped](on_drop=lambda: tally.drop("masks"))
        self._budget = MaskBudget()
        self._is_text = False
        self._readers: list[MaskReader] = []
        """Beside the viewer; who asks for one bounds their number."""
        conversation.on_masks = self._take

    def put(self, arrival: Arrival, result: StepResult) -> None:
        """One more frame; called for every one that was stepped."""
        stepped = Stepped(arrival, result, self._conversation.prompt_seq)
        if self._viewer.wants_masks:
            self._to_send.put(stepped)
        for reader in self._readers:
            reader.put(stepped)

    @property
    def num_readers(self) -> int:
        """Beside the viewer."""
        return len(self._readers)

    @contextmanager
    def read(self, *, is_text: bool) -> Iterator[MaskReader]:
        """One more reader, until the end of the block."""
        reader = MaskReader(self._painter, self._num_skipped, self._viewer.out_rtp, is_text=is_text)
        self._readers.append(reader)
        try:
            yield reader
        finally:
            self._readers.remove(reader)

    async def run(self) -> None:
        """Writes and sends the newest frame's masks, again and again; nothing queues."""
        reported = 0
        """Frames dropped before the engine that the viewer has been told of."""
        while True:
            stepped = await self._to_send.take()
            arrival, skipped = stepped.arrival, self._num_skipped()
            room = self._budget.room(time.monotonic())
            if room == 0:
                self._tally.drop("masks")
                continue
            facts = mask_message.Facts(
                in_rtp=arrival.in_rtp,
                out_rtp=self._viewer.out_rtp(arrival.frame.pts),
                prompt_seq=stepped.prompt_seq,
                arrived_s=arrival.at_s,
                dropped=skipped - reported,
            )
            parts = (arrival.frame, stepped.result, facts, room)
            write: Callable[[Frame, StepResult, mask_message.Facts, int], bytes | str]
            write = mask_message.write_text if self._is_text else mask_message.write
            message: bytes | str = await paint(self._painter, write, *parts)
            if self._viewer.send_masks(message):
                reported = skipped
                self._budget.spend(len(message))
                self._tally.send_masks(arrival.frame.pts, len(message))
            else:
                self._budget.back_off()
                self._tally.drop("masks")

    def _take(self, message: MasksMessage) -> None:
        self._is_text = message.form == "coco"
        self._conversation.say(AckMessage(seq=message.seq))
