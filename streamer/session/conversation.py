"""Conversation: what a session and its viewer say on the control channel."""

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, cast

from sam2_rt.engine import Applied, Refused, StepRequest, StepResult
from sam2_rt.tracking.prompt import Prompt, Undo
from streamer import protocol
from streamer.protocol import ProtocolError
from streamer.session.handover import Resumed
from streamer.session.prompt_queue import Answers, Asked, GivenUp, PromptQueue, Reply
from streamer.session.session_limits import SessionLimits
from streamer.session.viewer import Arrival
from streamer.telemetry.metrics import Metrics
from streamer.worker import EngineInfo

_MAX_EARLY: Final = 256
"""Events before the viewer can be spoken to: a resumed session begins with its tracks."""
_KEPT_NAMES: Final = 256
"""Frames whose RTP timestamp is kept for acks: many more than a tracker keeps embeddings."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A step, and what its answers belong to."""

    request: StepRequest
    arrival: Arrival
    """The frame."""
    removals: tuple[GivenUp, ...]
    prompts: tuple[Asked, ...]
    num_repeated: int = 0
    """Of the removals: the first ones were asked for with a frame that was lost."""


class Conversation:
    """Takes messages up as they come, and answers them when a step has carried them out."""

    def __init__(self, say: Callable[[str], None], metrics: Metrics, limits: SessionLimits) -> None:
        self.on_configure: Callable[[protocol.ConfigureMessage], None] = lambda _message: None
        """Takes another output up and has it answered; may raise ProtocolError."""
        self.on_auto: Callable[[protocol.AutoMessage, Answers | None], None] = lambda *_wish: None
        """Looks for objects; may raise ProtocolError. Who is not the viewer waits for answers."""
        self.on_masks: Callable[[protocol.MasksMessage], None] = lambda _message: None
        """Takes another form of mask messages up and answers."""
        self.prompt_seq: int | None = None
        """Of the last prompt carried out."""
        self._say_text = say
        self._metrics = metrics
        self._limits = limits
        self._prompts = PromptQueue()
        self._early: deque[protocol.EventMessage] | None = None
        """Events of a resumed session that wait for the greeting; None after it."""
        self._resumed: Resumed | None = None
        self._restored: tuple[Asked, ...] = ()
        """What goes on from the viewer's session before this one; with the first frame."""
        self._again: tuple[GivenUp, ...] = ()
        """Removals of a frame that was lost; with the next one."""
        self._names: deque[tuple[int, int]] = deque(maxlen=_KEPT_NAMES)
        """(index, in_rtp) of the last frames stepped."""

    def greet(self, session_id: str, info: EngineInfo) -> None:
        """The first message."""
        model = protocol.ModelDescription(
            name=info.model,
            image_size=info.image_size,
            device=info.device,
            is_trained=info.is_trained,
        )
        limits = protocol.Limits(
            max_tracks=min(info.max_tracks, self._limits.tracks.max_tracks),
            max_fps=self._limits.max_fps,
            max_prompts_per_s=self._limits.max_prompts_per_s,
            max_session_s=self._limits.max_session_s,
        )
        self.say(
            protocol.HelloMessage(
                session=session_id, model=model, limits=limits, resumed=self._resumed
            )
        )
        early, self._early = self._early or (), None
        for event in early:
            self.say(event)

    def hear(self, text: str | bytes) -> None:
        """Takes up one message, and answers at once what is wrong with it. Never raises."""
        try:
            message = protocol.parse_client(text)
            if isinstance(message, protocol.PromptMessage):
                self._prompts.check_room(message.seq)  # before a mask is decoded
                self._limits.prompts.spend(1, message.seq)
                asked = Asked(message.seq, message.to_prompt(), message.rtp_timestamp)
                self._prompts.put(asked)
            elif isinstance(message, protocol.UndoMessage):
                self._limits.prompts.spend(1, message.seq)
                self._prompts.put(Asked(message.seq, Undo(message.track_id), None))
            elif isinstance(message, protocol.RemoveMessage):
                self._prompts.put(GivenUp(message.seq, message.track_id))
            elif isinstance(message, protocol.ConfigureMessage):
                self.on_configure(message)
            elif isinstance(message, protocol.AutoMessage):
                self.wish(message)
            elif isinstance(message, protocol.MasksMessage):
                self.on_masks(message)
            else:
                self.say(protocol.PongMessage(seq=message.seq))
        except ProtocolError as error:
            self.refuse(error)

    def name_track(self) -> int:
        """An id for a new track, for who does not choose one."""
        return self._limits.tracks.name()

    def wish(self, message: protocol.AutoMessage, answers: Answers | None = None) -> None:
        """Has objects looked for. Raises ProtocolError `busy` or `too_many_prompts`."""
        self._limits.prompts.spend(1, message.seq)
        self.on_auto(message, answers)

    def put(self, asked: Sequence[Asked]) -> None:
        """Prompts as if the viewer had said them; all, or none: raises ProtocolError `busy`."""
        self._prompts.put_all(asked)

    def put_all(self, items: Sequence[Asked | GivenUp]) -> None:
        """Prompts and removals from beside the viewer, who hears of their tracks by events.

        All are taken up, or none: raises ProtocolError `busy` or `too_many_prompts`.
        """
        self._prompts.check_room(items[0].seq, len(items))
        num_prompts = sum(isinstance(item, Asked) for item in items)
        self._limits.prompts.spend(num_prompts, items[0].seq)
        self._prompts.put_all(items)

    def withdraw(self, items: Sequence[Asked | GivenUp]) -> None:
        """Takes back what no step took up yet."""
        self._prompts.withdraw(items)

    def restore(self, resumed: Resumed, prompts: Sequence[Prompt]) -> None:
        """Begins tracks in the first frame, which may come before the greeting that tells of them.

        None are begun that go on by themselves.
        """
        self._early = deque(maxlen=_MAX_EARLY)
        self._resumed = resumed
        if not prompts:  # the tracks are there already
            self._limits.tracks.see(resumed.tracks)
        self._restored = tuple(Asked(None, prompt, None) for prompt in prompts)

    def begin_again(self, prompts: Sequence[Prompt], tracks: Sequence[int]) -> None:
        """Goes on in another stream: begins tracks in the next frame, and tells of those lost.

        `tracks` were there before; what its viewer has just removed does not come back.
        """
        removed = {given_up.track_id for given_up in self._again}
        kept = [prompt for prompt in prompts if prompt.track_id not in removed]
        self._restored = (*self._restored, *(Asked(None, prompt, None) for prompt in kept))
        for track_id in set(tracks) - removed - {prompt.track_id for prompt in kept}:
            frame = self._frame_name(self._names[-1][0])
            self.say(protocol.EventMessage(kind="dropped", track_id=track_id, frame=frame))

    def ask(self, stream_id: int, arrival: Arrival) -> Question:
        """The step of a frame, with what was said since the last."""
        removed, said = self._prompts.take()
        again, self._again = self._again, ()
        removals = (*again, *removed)
        asked, self._restored = (*self._restored, *said), ()
        prompts = self._within_limit(removals, asked)
        request = StepRequest(
            stream_id,
            arrival.frame,
            tuple(_placed(asked, arrival) for asked in prompts),
            tuple(given_up.track_id for given_up in removals),
        )
        return Question(request, arrival, removals, prompts, len(again))

    def _within_limit(
        self, removals: Sequence[GivenUp], prompts: Sequence[Asked]
    ) -> tuple[Asked, ...]:
        """Those prompts that begin no track too many; the others are answered."""
        good, refused = self._limits.tracks.admit(removals, prompts)
        for asked in refused:
            self._metrics.prompts.labels(asked.kind, "too_many_tracks").inc()
            words = f"at most {self._limits.tracks.max_tracks} tracks in this session"
            error = ProtocolError("too_many_tracks", words, asked.seq)
            (asked.reply or self.say)(self._refusal(error))
        return tuple(good)

    def answer(self, question: Question, result: StepResult) -> None:
        """Tells what the step carried out, refused and noticed."""
        self._names.append((result.index, question.arrival.in_rtp))
        self._limits.tracks.see(mask.track_id for mask in result.masks)
        repeated = question.num_repeated  # the track went with the frame that was lost, or now
        removals = [
            Applied(answer.track_id, result.index, is_exact=True) if row < repeated else answer
            for row, answer in enumerate(result.removals)
        ]
        self._tell(question.removals, removals)
        self._tell(question.prompts, result.prompts)
        for event in result.events:
            frame = self._frame_name(event.index)
            message = protocol.EventMessage(
                kind=event.kind.value, track_id=event.track_id, frame=frame
            )
            self.say(message)

    def lose(self, question: Question) -> None:
        """The frame was lost: its prompts have to be said again, all else goes with the next one.

        Who is told so may find that a prompt was carried out: said again, a box or a mask changes
        nothing, a click counts twice, and an undo takes back one word more.
        """
        self._again = question.removals
        restored = []
        for asked in question.prompts:
            if asked.seq is None and asked.reply is None:  # nobody could say it again
                restored.append(asked)
                continue
            self._metrics.prompts.labels(asked.kind, "frame_lost").inc()
            error = ProtocolError("frame_lost", "the frame was lost; say it again", asked.seq)
            (asked.reply or self.say)(self._refusal(error))
        self._restored = tuple(restored)

    def refuse(self, error: ProtocolError, reply: Reply | None = None) -> None:
        """Tells that a message was not carried out, and counts it; the viewer, if no other."""
        (reply or self.say)(self._refusal(error))

    def say(self, message: protocol.Message) -> None:
        """Says it now; an event not before the greeting."""
        if self._early is not None and isinstance(message, protocol.EventMessage):
            self._early.append(message)
            return
        self._say_text(message.model_dump_json())

    def _tell(self, asked: Sequence[Asked | GivenUp], answers: Sequence[Applied | Refused]) -> None:
        for item, answer in zip(asked, answers, strict=True):
            if isinstance(answer, Refused):
                self._metrics.prompts.labels(item.kind, answer.code).inc()
                code = cast("protocol.ErrorCode", answer.code)  # held by the message's own check
                reply = item.reply or self.say
                reply(self._refusal(ProtocolError(code, answer.message, item.seq)))
                continue
            self._metrics.prompts.labels(item.kind, "applied").inc()
            if isinstance(item, Asked) and item.reply is None:
                if item.seq is None:  # nobody waits for an answer; the event tells of the track
                    continue
                self.prompt_seq = item.seq
            ack = protocol.AckMessage(
                seq=item.seq,
                track_id=answer.track_id,
                frame=self._frame_name(answer.index),
                applied_to="exact" if answer.is_exact else "newest",
            )
            (item.reply or self.say)(ack)

    def _refusal(self, error: ProtocolError) -> protocol.ErrorMessage:
        self._metrics.messages_refused.labels(error.code).inc()
        return protocol.ErrorMessage(seq=error.seq, code=error.code, message=str(error))

    def _frame_name(self, index: int) -> protocol.FrameName:
        """Of a frame of another connection, or one that was lost: the newest, which tells of it."""
        newest = self._names[-1]
        named = next((name for name in reversed(self._names) if name[0] == index), newest)
        return protocol.FrameName(index=named[0], rtp_timestamp=named[1])


def _placed(asked: Asked, newest: Arrival) -> Prompt | Undo:
    """The prompt with the pts of the frame that its viewer saw."""
    if asked.rtp_timestamp is None or isinstance(asked.prompt, Undo):
        return asked.prompt
    ticks = protocol.rtp_difference(asked.rtp_timestamp, newest.in_rtp)
    return dataclasses.replace(asked.prompt, pts=newest.frame.pts + ticks)
