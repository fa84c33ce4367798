"""Losses: frames of a session for which the engine has no answer, and streams that went with it."""

import logging
import time
from typing import Final

from sam2_rt.engine import StepResult, StreamLost, TickLost
from streamer.protocol import ProtocolError
from streamer.session.conversation import Conversation, Question
from streamer.session.resume import carry
from streamer.session.tally import Tally
from streamer.worker import Worker

log = logging.getLogger(__name__)

_MAX_IN_A_ROW: Final = 30
"""Frames without an answer of the engine, after which a session ends: a second of video."""
_TELL_S: Final = 5.0
"""Between two words about lost frames."""
_LOST = "the engine had no answer for a frame; tracking goes on with the next"
_ANEW = "the engine was started anew; objects in sight go on from where they were seen last"


class Losses:
    """Of one session, whose viewer is told."""

    def __init__(self, session_id: str, conversation: Conversation, tally: Tally) -> None:
        self._session_id = session_id
        self._conversation = conversation
        self._tally = tally
        self._in_a_row = 0
        self._told_at_s = -_TELL_S

    def end(self) -> None:
        """A frame has an answer."""
        self._in_a_row = 0

    def add(self, question: Question, lost: TickLost) -> None:
        """One more frame without. Raises what it was given after too many in a row."""
        self._tally.drop("lost")
        self._conversation.lose(question)
        self._in_a_row += 1
        if self._in_a_row >= _MAX_IN_A_ROW:
            raise lost
        now_s = time.monotonic()
        if now_s - self._told_at_s < _TELL_S:
            return
        self._told_at_s = now_s
        log.warning("session %s lost a frame: %s", self._session_id, lost)
        words = _ANEW if isinstance(lost, StreamLost) else _LOST
        self._conversation.refuse(ProtocolError("frame_lost", words))

    async def begin_again(self, worker: Worker, before: StepResult | None) -> int:
        """Opens another stream, as soon as there is an engine, for the tracks of the step before.

        Those in sight begin with its first frame, within the boxes in which they were seen;
        nobody can say where the others are, so they are dropped. Raises WorkerDied.
        """
        stream_id = await worker.open()
        self._tally.go_on(0)
        long_ago_s = 0.0  # a model takes seconds to load, in which objects leave their places
        prompts = carry(self._session_id, before, long_ago_s).prompts(time.time())
        tracks = () if before is None else tuple(mask.track_id for mask in before.masks)
        self._conversation.begin_again(prompts, tracks)
        return stream_id
