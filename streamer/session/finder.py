"""Finder: prompts for who cannot click. It looks at one frame in a stream of its own."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Final

from sam2_rt.engine import StepRequest, StepResult, TickLost, TrackState
from sam2_rt.tracking.prompt import Point, Prompt
from streamer.picture.painter import paint
from streamer.protocol import AckMessage, AutoMessage, ErrorMessage, ProtocolError
from streamer.session.conversation import Conversation
from streamer.session.finding import Guess, How, apart, choose, free_ids, grid
from streamer.session.prompt_queue import Answers, Asked, Reply
from streamer.session.session_limits import TrackRoom
from streamer.session.viewer import Arrival
from streamer.worker import Worker

GRID_SIDE: Final = 8
"""Points a side that are guessed from: seconds on a CPU, in which the frames go on."""
_POINTS_A_STEP: Final = 4
"""Few, so that the steps of all viewers' frames come in between."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    message: AutoMessage
    answers: Answers | None
    """Of who is not the viewer; done: nobody waits for them any more."""

    @property
    def is_over(self) -> bool:
        return self.answers is not None and self.answers.done()

    def reply(self, count: int) -> Reply | None:
        """Takes so many answers; None: the viewer gets them."""
        answers, heard = self.answers, list[AckMessage | ErrorMessage]()
        if answers is None:
            return None

        def hear(answer: AckMessage | ErrorMessage) -> None:
            heard.append(answer)
            if len(heard) == count and not answers.done():
                answers.set_result(heard)

        return hear


class Finder:
    """run() goes on as long as the session; one wish at a time."""

    def __init__(
        self, worker: Worker, painter: Executor, conversation: Conversation, room: TrackRoom
    ) -> None:
        self._worker = worker
        self._painter = painter
        self._conversation = conversation
        self._tracks = room
        self._wishes = asyncio.Queue[_Wish](maxsize=1)
        self._newest: tuple[Arrival, StepResult] | None = None
        self._has_frame = asyncio.Event()
        """Set by the first frame."""
        conversation.on_auto = self._take

    def put(self, arrival: Arrival, result: StepResult) -> None:
        """One more frame, and the tracks in it."""
        self._newest = (arrival, result)
        self._has_frame.set()

    async def run(self) -> None:
        """Looks, when asked, and says what was found as if it had been clicked.

        Each track that begins is acknowledged under the number of the wish.
        """
        while True:
            wish = await self._wishes.get()
            await self._has_frame.wait()
            seq = wish.message.seq
            try:
                if not wish.is_over:
                    await self._fulfil(wish)
            except ProtocolError as error:
                self._conversation.refuse(error, wish.reply(1))
            except TickLost:
                words = "the search was lost with a frame; ask again"
                lost = ProtocolError("frame_lost", words, seq)
                self._conversation.refuse(lost, wish.reply(1))

    async def _fulfil(self, wish: _Wish) -> None:
        seq = wish.message.seq
        self._room(seq)  # before the search, which takes long
        arrival, prompts = await self._look(wish.message)
        if wish.is_over:
            return
        prompts = prompts[: self._room(seq)]  # others may have begun tracks meanwhile
        if not prompts:
            raise ProtocolError("nothing_found", "no object stands out in the frame", seq)
        ids, reply = free_ids(self._used, len(prompts)), wish.reply(len(prompts))
        named = (
            dataclasses.replace(prompt, track_id=track_id)
            for track_id, prompt in zip(ids, prompts, strict=True)
        )
        self._conversation.put(
            [Asked(seq, prompt, arrival.in_rtp, reply, is_found=True) for prompt in named]
        )

    async def _look(self, message: AutoMessage) -> tuple[Arrival, list[Prompt]]:
        """Prompts for what was found, and the frame that they are of."""
        arrival, result = self._last
        if message.how is How.CENTER:
            return arrival, [Prompt(1, points=(Point(0.5, 0.5),))]
        taken = [mask.logits > 0 for mask in result.masks]
        async with self._stream() as stream_id:
            guesses, before = await self._guess(stream_id, arrival)
            room = self._room(message.seq)
            chosen = await paint(self._painter, choose, guesses, taken, message.how, room)
            if not chosen:
                return arrival, []
            prompts = tuple(Prompt(at, points=(g.point,)) for at, g in enumerate(chosen, 1))
            request = StepRequest(stream_id, arrival.frame, prompts, before, is_again=True)
            await self._worker.step(request)
            return await self._follow(stream_id)

    async def _guess(self, stream_id: int, arrival: Arrival) -> tuple[list[Guess], tuple[int, ...]]:
        """What the model makes of each point of the grid, without a memory of anything.

        And the tracks that are left of it in the stream. The frame is encoded by the first step.
        """
        points, guesses = grid(GRID_SIDE), list[Guess]()
        size = min(_POINTS_A_STEP, self._max_of_engine)
        before: tuple[int, ...] = ()
        for start in range(0, len(points), size):
            asked = points[start : start + size]
            prompts = tuple(Prompt(at + 1, points=(p,)) for at, p in enumerate(asked))
            request = StepRequest(stream_id, arrival.frame, prompts, before, is_again=start > 0)
            masks = (await self._worker.step(request)).masks
            guesses += [Guess(asked[m.track_id - 1], m.iou, m.logits) for m in masks]
            before = tuple(m.track_id for m in masks)
        return guesses, before

    async def _follow(self, stream_id: int) -> tuple[Arrival, list[Prompt]]:
        """The stream's objects where they are by now, and the frame that this is.

        The session's tracker has forgotten the frame that was looked at: its own has gone on for
        as long as the search took. An object that is out of sight by now is left out.
        """
        newest, known = self._last
        followed = (await self._worker.step(StepRequest(stream_id, newest.frame))).masks
        visible = [m.logits > 0 for m in followed if m.state is TrackState.VISIBLE]
        masks = apart(visible, [mask.logits > 0 for mask in known.masks])
        return newest, [Prompt(1, mask=mask) for mask in masks]

    @asynccontextmanager
    async def _stream(self) -> AsyncIterator[int]:
        """A stream of its own."""
        stream_id = await self._worker.open()
        try:
            yield stream_id
        finally:
            await self._worker.close(stream_id)

    @property
    def _last(self) -> tuple[Arrival, StepResult]:
        assert self._newest is not None, "a frame was waited for"
        return self._newest

    @property
    def _used(self) -> list[int]:
        return [mask.track_id for mask in self._last[1].masks]

    def _room(self, seq: int) -> int:
        """For how many more tracks. Raises ProtocolError `too_many_tracks` for none."""
        most = min(self._max_of_engine, self._tracks.max_tracks)
        room = most - len(self._used)
        if room < 1:
            words = f"at most {most} tracks: remove one first"
            raise ProtocolError("too_many_tracks", words, seq)
        return room

    @property
    def _max_of_engine(self) -> int:
        assert self._worker.info is not None, "nobody is let in before the engine is loaded"
        return self._worker.info.max_tracks

    def _take(self, message: AutoMessage, answers: Answers | None) -> None:
        try:
            self._wishes.put_nowait(_Wish(message, answers))
        except asyncio.QueueFull as error:
            raise ProtocolError("busy", "a search goes on already", message.seq) from error
