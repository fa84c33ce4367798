"""MaskSender: the masks of one session's frames, to its viewer and to all others who ask."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from sam2_rt.engine import StepResult
from streamer.masks.mask_feed import MaskFeed, Receiver, Stepped
from streamer.masks.mask_reader import MaskReader
from streamer.protocol import AckMessage, MasksMessage
from streamer.session.conversation import Conversation
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
        self._num_skipped = num_skipped
        """Frames dropped before the engine since the session began."""
        self._own = MaskFeed(
            viewer, painter, num_skipped, lambda: tally.drop("masks"), tally.send_masks
        )
        self._others: list[MaskFeed | MaskReader] = []
        """Beside the viewer; who asks for one bounds their number."""
        conversation.on_masks = self._take

    def put(self, arrival: Arrival, result: StepResult) -> None:
        """One more frame; called for every one that was stepped."""
        stepped = Stepped(arrival, result, self._conversation.prompt_seq)
        self._own.put(stepped)
        for other in self._others:
            other.put(stepped)

    @property
    def num_readers(self) -> int:
        """Over WebSockets."""
        return sum(isinstance(other, MaskReader) for other in self._others)

    @contextmanager
    def read(self, *, is_text: bool) -> Iterator[MaskReader]:
        """One more reader, until the end of the block."""
        reader = MaskReader(self._painter, self._num_skipped, self._viewer.out_rtp, is_text=is_text)
        with self._joined(reader):
            yield reader

    @contextmanager
    def feed(self, receiver: Receiver) -> Iterator[MaskFeed]:
        """One more who gets them over a data channel, until the end of the block."""
        feed = MaskFeed(receiver, self._painter, self._num_skipped)
        with self._joined(feed):
            yield feed

    async def run(self) -> None:
        """Sends the viewer its masks."""
        await self._own.run()

    @contextmanager
    def _joined(self, other: MaskFeed | MaskReader) -> Iterator[None]:
        self._others.append(other)
        try:
            yield
        finally:
            self._others.remove(other)

    def _take(self, message: MasksMessage) -> None:
        self._own.is_text = message.form == "coco"
        self._conversation.say(AckMessage(seq=message.seq))
