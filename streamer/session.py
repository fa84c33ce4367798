"""Session: one viewer's stay. A frame loop and a prompt queue in one TaskGroup, one boundary."""

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar, cast

from sam2_rt.engine import Applied, Refused, StepRequest, StepResult
from sam2_rt.tracking.prompt import Prompt
from streamer import compose, mask_message, protocol
from streamer.config import Settings
from streamer.metrics import Metrics
from streamer.prompt_queue import Asked, GivenUp, PromptQueue
from streamer.protocol import ProtocolError
from streamer.slot import Slot
from streamer.tally import Tally
from streamer.viewer import Arrival, Outcome, Viewer, ViewerLeft
from streamer.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

_KEPT_NAMES: Final = 256
"""Frames whose RTP timestamp is kept for acks: many more than a tracker keeps embeddings."""

_STATS_INTERVAL_S: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Stepped:
    """A frame, what the engine made of it, and the last prompt carried out by then."""

    arrival: Arrival
    result: StepResult
    prompt_seq: int | None


class Session:
    """One viewer's stay, from the answer to the end of the connection."""

    def __init__(
        self,
        session_id: str,
        viewer: Viewer,
        worker: Worker,
        painter: Executor,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self.session_id = session_id
        self._viewer = viewer
        self._worker = worker
        self._painter = painter
        """Runs what is too slow for the event loop: compositing and mask messages."""
        self._metrics = metrics
        self._settings = settings
        self._tally = tally = Tally(metrics)
        self._arrivals = Slot[Arrival](on_drop=lambda: tally.drop("slot"))
        self._to_send = Slot[Stepped](on_drop=lambda: tally.drop("masks"))
        self._to_show = Slot[Stepped](on_drop=lambda: tally.drop("encode"))
        self._prompts = PromptQueue()
        self._has_overlay = True
        self._prompt_seq: int | None = None
        """Of the last prompt carried out."""
        self._names: deque[tuple[int, int]] = deque(maxlen=_KEPT_NAMES)
        """(index, in_rtp) of the last frames stepped."""
        self._loop = asyncio.get_running_loop()
        self._begun_s = self._loop.time()
        self._last_arrival: Arrival | None = None
        self._ended: asyncio.Future[Outcome] = self._loop.create_future()
        viewer.on_open = self._greet
        viewer.on_message = self.hear
        viewer.on_end = self.end

    def end(self, outcome: Outcome) -> None:
        """Makes run() end; the first outcome stands."""
        if not self._ended.done():
            self._ended.set_result(outcome)

    async def run(self) -> Outcome:
        """Until the viewer has gone. Never raises but for cancellation: this is the boundary."""
        try:
            outcome = await self._stay()
        except Exception:
            outcome = Outcome.FAULT
            log.exception("session %s ended by a fault", self.session_id)
            self._metrics.session_errors.inc()
            self._refuse(ProtocolError("internal", "the service failed; connect again"))
        finally:
            self._tally.close()
            await self._viewer.close()
        log.info("session %s ended: %s", self.session_id, outcome)
        return outcome

    async def _stay(self) -> Outcome:
        stream_id = await self._worker.open()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work)
                    for work in (
                        self._receive(),
                        self._track(stream_id),
                        self._send_masks(),
                        self._show_pictures(),
                        self._report(),
                        self._watch(),
                    )
                ]
                outcome = await self._ended
                for task in tasks:
                    task.cancel()
        finally:
            await self._worker.close(stream_id)
        return outcome

    # From the viewer

    def hear(self, text: str | bytes) -> None:
        """Takes up one control message, and answers at once what is wrong with it."""
        try:
            message = protocol.parse_client(text)
            if isinstance(message, protocol.PromptMessage):
                asked = Asked(message.seq, message.to_prompt(), message.rtp_timestamp)
                self._prompts.put(asked)
            elif isinstance(message, protocol.RemoveMessage):
                self._prompts.put(GivenUp(message.seq, message.track_id))
            elif isinstance(message, protocol.ConfigureMessage):
                self._has_overlay = message.output == "overlay"
                self._say(protocol.AckMessage(seq=message.seq))
            else:
                self._say(protocol.PongMessage(seq=message.seq))
        except ProtocolError as error:
            self._refuse(error)

    async def _receive(self) -> None:
        """Always awaits the next frame, so that nothing piles up behind it."""
        while True:
            try:
                arrival = await self._viewer.receive()
            except ViewerLeft:
                self.end(Outcome.LEFT)
                return
            self._tally.receive()
            before, frame = self._last_arrival, arrival.frame
            is_newer = before is None or frame.pts > before.frame.pts
            if not is_newer or frame.width * frame.height > self._settings.max_frame_pixels:
                self._tally.drop("stale")
                continue
            if before is not None and frame.planes[0].shape != before.frame.planes[0].shape:
                self._metrics.frame_size_changes.inc()
            self._last_arrival = arrival
            self._arrivals.put(arrival)

    # The frame loop

    async def _track(self, stream_id: int) -> None:
        while True:
            arrival = await self._arrivals.take()
            removals, prompts = self._prompts.take()
            request = StepRequest(
                stream_id,
                arrival.frame,
                tuple(_placed(asked, arrival) for asked in prompts),
                tuple(given_up.track_id for given_up in removals),
            )
            begun_s = self._loop.time()
            result = await self._worker.step(request)
            self._tally.step(result, self._loop.time() - begun_s)
            self._names.append((result.index, arrival.in_rtp))
            self._answer(removals, result.removals)
            self._answer(prompts, result.prompts)
            self._tell_events(result)
            stepped = Stepped(arrival, result, self._prompt_seq)
            if self._viewer.wants_masks:
                self._to_send.put(stepped)
            if self._viewer.wants_pictures:
                self._to_show.put(stepped)

    async def _send_masks(self) -> None:
        reported = 0
        while True:
            stepped = await self._to_send.take()
            arrival = stepped.arrival
            dropped = self._arrivals.dropped - reported
            facts = mask_message.Facts(
                in_rtp=arrival.in_rtp,
                out_rtp=self._viewer.out_rtp(arrival.frame.pts),
                prompt_seq=stepped.prompt_seq,
                age_ms=round(1000 * (self._loop.time() - arrival.at_s)),
                dropped=dropped,
            )
            message = await self._paint(mask_message.write, arrival.frame, stepped.result, facts)
            if self._viewer.send_masks(message):
                reported += dropped
                self._tally.send_masks(len(message), self._loop.time() - arrival.at_s)
            else:
                self._tally.drop("masks")

    async def _show_pictures(self) -> None:
        while True:
            stepped = await self._to_show.take()
            picture = stepped.arrival.frame
            if self._has_overlay:
                picture = await self._paint(compose.overlay, picture, stepped.result.masks)
            if not self._viewer.show(picture):
                self._tally.drop("encode")

    async def _paint(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        assert not kwargs, "an executor passes positions only"
        return await self._loop.run_in_executor(self._painter, work, *args)

    # To the viewer

    def _greet(self) -> None:
        info = self._worker.info
        assert info is not None, "nobody is let in before the engine is loaded"
        model = protocol.ModelDescription(
            name=info.model,
            image_size=info.image_size,
            device=info.device,
            is_trained=info.is_trained,
        )
        limits = protocol.Limits(max_tracks=info.max_tracks)
        self._say(protocol.HelloMessage(session=self.session_id, model=model, limits=limits))

    def _answer(
        self, asked: Sequence[Asked | GivenUp], answers: Sequence[Applied | Refused]
    ) -> None:
        for item, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Refused):
                self._metrics.prompts.labels(answer.code).inc()
                code = cast("protocol.ErrorCode", answer.code)  # held by the message's own check
                self._say(protocol.ErrorMessage(seq=item.seq, code=code, message=answer.message))
                continue
            self._metrics.prompts.labels("applied").inc()
            if isinstance(item, Asked):
                self._prompt_seq = item.seq
            self._say(
                protocol.AckMessage(
                    seq=item.seq,
                    track_id=answer.track_id,
                    frame=self._frame_name(answer.index),
                    applied_to="exact" if answer.is_exact else "newest",
                )
            )

    def _tell_events(self, result: StepResult) -> None:
        for event in result.events:
            self._say(
                protocol.EventMessage(
                    kind=event.kind.value,
                    track_id=event.track_id,
                    frame=self._frame_name(event.index),
                )
            )

    def _frame_name(self, index: int) -> protocol.FrameName:
        in_rtp = next(rtp for known, rtp in reversed(self._names) if known == index)
        return protocol.FrameName(index=index, rtp_timestamp=in_rtp)

    def _refuse(self, error: ProtocolError) -> None:
        self._metrics.messages_refused.labels(error.code).inc()
        self._say(protocol.ErrorMessage(seq=error.seq, code=error.code, message=str(error)))

    def _say(self, message: protocol.Message) -> None:
        self._viewer.say(message.model_dump_json())

    async def _report(self) -> None:
        while True:
            begun_s = self._loop.time()
            await asyncio.sleep(_STATS_INTERVAL_S)
            self._say(self._tally.report(self._loop.time() - begun_s))

    async def _watch(self) -> None:
        """Ends the session of a viewer who sends nothing."""
        while True:
            if self._last_arrival is None:
                outcome = Outcome.NEVER_CONNECTED
                until_s = self._begun_s + self._settings.connect_timeout_s
            else:
                outcome = Outcome.IDLE
                until_s = self._last_arrival.at_s + self._settings.idle_timeout_s
            wait_s = until_s - self._loop.time()
            if wait_s <= 0:
                self.end(outcome)
                return
            await asyncio.sleep(wait_s)


def _placed(asked: Asked, newest: Arrival) -> Prompt:
    """The prompt with the pts of the frame that its viewer saw."""
    if asked.rtp_timestamp is None:
        return asked.prompt
    ticks = protocol.rtp_difference(asked.rtp_timestamp, newest.in_rtp)
    return dataclasses.replace(asked.prompt, pts=newest.frame.pts + ticks)
