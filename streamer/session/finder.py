"""Finder: prompts for viewers who cannot click. It looks at one frame in a stream of its own."""

import asyncio
from concurrent.futures import Executor
from typing import Final

from sam2_rt.engine import StepRequest, StepResult, TickLost
from sam2_rt.tracking.prompt import Point, Prompt
from streamer.picture.painter import paint
from streamer.protocol import AutoMessage, ProtocolError
from streamer.session.conversation import Conversation
from streamer.session.finding import Guess, How, choose, free_ids, grid
from streamer.session.prompt_queue import Asked
from streamer.session.viewer import Arrival
from streamer.worker import Worker

GRID_SIDE: Final = 8
"""Points a side that are guessed from: seconds on a CPU, in which the frames go on."""
_POINTS_A_STEP: Final = 4
"""Few, so that the steps of all viewers' frames come in between."""


class Finder:
    """run() goes on as long as the session; one wish at a time."""

    def __init__(self, worker: Worker, painter: Executor, conversation: Conversation) -> None:
        self._worker = worker
        self._painter = painter
        self._conversation = conversation
        self._wishes = asyncio.Queue[AutoMessage](maxsize=1)
        self._newest: tuple[Arrival, StepResult] | None = None
        self._has_frame = asyncio.Event()
        """Set by the first frame."""
        conversation.on_auto = self._take

    def put(self, arrival: Arrival, result: StepResult) -> None:
        """One more frame, and the tracks in it."""
        self._newest = (arrival, result)
        self._has_frame.set()

    async def run(self) -> None:
        """Looks, when asked, and says what was found as if the viewer had clicked it.

        Each track that begins is acknowledged under the number of the wish.
        """
        while True:
            message = await self._wishes.get()
            await self._has_frame.wait()
            try:
                await self._find(message)
            except ProtocolError as error:
                self._conversation.refuse(error)
            except TickLost:
                words = "the search was lost with a frame; ask again"
                self._conversation.refuse(ProtocolError("frame_lost", words, message.seq))

    async def _find(self, message: AutoMessage) -> None:
        assert self._newest is not None, "a frame was waited for"
        arrival, result = self._newest
        used = [mask.track_id for mask in result.masks]
        room = self._max_tracks - len(used)
        if room < 1:
            limit = f"at most {self._max_tracks} tracks: remove one first"
            raise ProtocolError("too_many_tracks", limit, message.seq)
        if message.how is How.CENTER:
            points = [Point(0.5, 0.5)]
        else:
            taken = [mask.logits > 0 for mask in result.masks]
            guesses = await self._guess(arrival)
            chosen = await paint(self._painter, choose, guesses, taken, message.how, room)
            points = [guess.point for guess in chosen]
        if not points:
            raise ProtocolError("nothing_found", "no object stands out in the frame", message.seq)
        for track_id, point in zip(free_ids(used, len(points)), points, strict=True):
            prompt = Prompt(track_id, points=(point,))
            self._conversation.put(Asked(message.seq, prompt, arrival.in_rtp))

    async def _guess(self, arrival: Arrival) -> list[Guess]:
        """What the model makes of each point of the grid, without a memory of anything."""
        points, guesses = grid(GRID_SIDE), list[Guess]()
        size = min(_POINTS_A_STEP, self._max_tracks)
        stream_id = await self._worker.open()
        before: tuple[int, ...] = ()
        try:
            for start in range(0, len(points), size):
                asked = points[start : start + size]
                prompts = tuple(Prompt(at + 1, points=(p,)) for at, p in enumerate(asked))
                request = StepRequest(stream_id, arrival.frame, prompts, before)
                masks = (await self._worker.step(request)).masks
                guesses += [Guess(asked[m.track_id - 1], m.iou, m.logits) for m in masks]
                before = tuple(m.track_id for m in masks)
        finally:
            await self._worker.close(stream_id)
        return guesses

    @property
    def _max_tracks(self) -> int:
        assert self._worker.info is not None, "nobody is let in before the engine is loaded"
        return self._worker.info.max_tracks

    def _take(self, message: AutoMessage) -> None:
        try:
            self._wishes.put_nowait(message)
        except asyncio.QueueFull as error:
            raise ProtocolError("busy", "a search goes on already", message.seq) from error
