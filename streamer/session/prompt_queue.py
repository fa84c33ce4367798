"""PromptQueue: what a viewer asked for and no step took up yet. Bounded, and nothing is dropped."""

from asyncio import Future
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sam2_rt.tracking.prompt import Prompt, Undo
from streamer.protocol import MAX_PROMPTS_WAITING, AckMessage, ErrorMessage, ProtocolError

PromptKind = Literal["points", "box", "mask", "clear", "undo", "remove", "auto"]
Reply = Callable[[AckMessage | ErrorMessage], None]
Answers = Future[list[AckMessage | ErrorMessage]]
"""To an `auto`: an ack of each track that begins, or one error."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt, and the frame its viewer saw; or that the last one is taken back."""

    seq: int | None
    """None: from the viewer's session before this one."""
    prompt: Prompt | Undo
    rtp_timestamp: int | None
    """Of the frame that the viewer saw, as the client sent it; None: the newest."""
    reply: Reply | None = None
    """Takes the answer; None: the viewer gets it."""
    is_found: bool = False
    """The service looked for the object: an `auto`."""

    @property
    def kind(self) -> PromptKind:
        """What it says most of all, for the metrics."""
        if self.is_found:
            return "auto"
        if isinstance(self.prompt, Undo):
            return "undo"
        if self.prompt.mask is not None:
            return "mask"
        if self.prompt.box is not None:
            return "box"
        return "points" if self.prompt.points else "clear"


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A track that its viewer removes."""

    seq: int | None
    track_id: int
    reply: Reply | None = None
    """As of Asked."""

    @property
    def kind(self) -> PromptKind:
        """As of Asked."""
        return "remove"


class PromptQueue:
    """Room for MAX_PROMPTS_WAITING prompts and removals, in the order they came."""

    def __init__(self) -> None:
        self._waiting: deque[Asked | GivenUp] = deque(maxlen=MAX_PROMPTS_WAITING)

    def put(self, item: Asked | GivenUp) -> None:
        """Adds one. Raises ProtocolError `busy` when there is no room: nothing is forgotten."""
        self.check_room(item.seq)
        self._waiting.append(item)

    def put_all(self, items: Sequence[Asked | GivenUp]) -> None:
        """Adds all of them, or none and raises ProtocolError `busy`."""
        self.check_room(items[0].seq, len(items))
        self._waiting.extend(items)

    def withdraw(self, items: Sequence[Asked | GivenUp]) -> None:
        """Takes back those of them that still wait."""
        left = [item for item in self._waiting if not any(item is other for other in items)]
        self._waiting = deque(left, maxlen=MAX_PROMPTS_WAITING)

    def check_room(self, seq: int | None, count: int = 1) -> None:
        """Raises ProtocolError `busy` when so many more do not fit."""
        if len(self._waiting) + count > MAX_PROMPTS_WAITING:
            raise ProtocolError("busy", f"{MAX_PROMPTS_WAITING} prompts wait already", seq)

    def take(self) -> tuple[list[GivenUp], list[Asked]]:
        """What the next step takes up: all, up to the first removal behind a prompt.

        A step removes before it prompts, so a removal that was asked for later has to wait.
        """
        removals: list[GivenUp] = []
        prompts: list[Asked] = []
        while self._waiting:
            item = self._waiting[0]
            if isinstance(item, Asked):
                prompts.append(item)
            elif prompts:
                break
            else:
                removals.append(item)
            self._waiting.popleft()
        return removals, prompts
