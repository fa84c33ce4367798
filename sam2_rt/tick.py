"""Tick: one frame of each of many streams, as one batch; a fault stays with its own stream."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import torch

from sam2_rt.fault import TickLost
from sam2_rt.model.sam2 import Embedding
from sam2_rt.tracking.batch import Found, Search, encode, look
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.kept_frame import KeptFrame, Seen
from sam2_rt.tracking.listener import Talk
from sam2_rt.tracking.prompt import Prompt, Undo
from sam2_rt.tracking.question import Answered, Asking, Question, reply
from sam2_rt.tracking.track import Prediction
from sam2_rt.tracking.tracker import NotFinite, Tracker

log = logging.getLogger(__name__)

In = TypeVar("In")
Out = TypeVar("Out")

PASSING = (NotFinite, torch.OutOfMemoryError, MemoryError)
"""Faults after which a stream's memory is sound: what was answered or removed before stays so."""
NO_HOST_MEMORY = "can't allocate memory"
"""What torch says on a CPU, in a plain RuntimeError."""


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """What one stream has for a tick. A stream has one turn."""

    tracker: Tracker
    frame: Frame
    prompts: tuple[Prompt | Undo, ...] = ()
    is_again: bool = False
    """Whether the frame is that of the turn before."""


class Opened(NamedTuple):
    """A turn's frame, and what has to be encoded for it: not even that if nothing is asked."""

    newest: KeptFrame
    unencoded: tuple[KeptFrame, ...]


class Asked(NamedTuple):
    """A turn after its prompts: what is left to look for."""

    tracker: Tracker
    search: Search
    answered: Mapping[int, Seen]


@torch.inference_mode()
def tick(
    calls: Calls, turns: Sequence[Turn], on_encoded: Callable[[], None] = lambda: None
) -> list[list[Prediction] | Exception]:
    """Follows every track of every stream into one more frame; one answer a turn, in order.

    An exception is the answer of its own turn; TickLost if the stream can go on. on_encoded is
    called when the image encoder was given to the device, if anything had to be encoded.
    """
    opened = each(_open, turns)
    embedded = _encode(calls, opened)
    if any(one.unencoded for one in opened if isinstance(one, Opened)):
        on_encoded()
    answered = _converse(calls, each(_begin, turns, opened, embedded))
    asked = each(_ask, turns, opened, answered)
    found = together(lambda some: look(calls, [one.search for one in some]), asked)
    return each(_settle, asked, found)


def _open(turn: Turn) -> Opened:
    newest = turn.tracker.begin(turn.frame, is_again=turn.is_again)
    return Opened(newest, turn.tracker.unencoded(newest, turn.prompts))


def _encode(
    calls: Calls, opened: Sequence[Opened | Exception]
) -> list[list[Embedding] | Exception]:
    """One batch for all streams; for each what it wanted, in order."""
    wanted = [one.unencoded if isinstance(one, Opened) else () for one in opened]
    pictures = [kept.picture for some in wanted for kept in some]
    embedded = iter(together(lambda frames: encode(calls, frames), pictures))
    return [_whole([next(embedded) for _ in some]) for some in wanted]


def _begin(turn: Turn, opened: Opened, embeddings: Sequence[Embedding]) -> Talk:
    turn.tracker.take(opened.unencoded, embeddings)
    turn.tracker.keep(opened.newest)
    return turn.tracker.talk(turn.prompts)


def _converse(
    calls: Calls, talks: Sequence[Talk | Exception]
) -> list[Mapping[int, Seen] | Exception]:
    """Has all streams' prompts answered, those that wait at the same time as one batch."""
    ended: dict[int, Mapping[int, Seen] | Exception] = {}
    asked: dict[int, Asking | Exception] = dict(enumerate(each(next, talks)))
    while asked:
        ended |= {p: _end(some) for p, some in asked.items() if isinstance(some, Exception)}
        waiting = {p: some for p, some in asked.items() if not isinstance(some, Exception)}
        flat: list[Search | Question] = [one for some in waiting.values() for one in some]
        replies = iter(together(partial(reply, calls), flat))
        heard = [_whole([next(replies) for _ in some]) for some in waiting.values()]
        spoken = each(_send, [talks[place] for place in waiting], heard)
        asked = dict(zip(waiting, spoken, strict=True))
    for talk in talks:
        if not isinstance(talk, Exception):
            talk.close()  # those that got no replies let go of what they had begun
    return [ended[place] for place in range(len(talks))]


def _send(talk: Talk, replies: list[Found | Answered]) -> Asking:
    return talk.send(replies)


def _end(outcome: Exception) -> Mapping[int, Seen] | Exception:
    """What a talk returned, which Python says by an exception."""
    if isinstance(outcome, StopIteration):
        answered: Mapping[int, Seen] = outcome.value
        return answered
    return outcome


def _whole(parts: Sequence[Out | Exception]) -> list[Out] | Exception:
    """All parts of what one stream wanted, or the first fault among them."""
    fault = next((part for part in parts if isinstance(part, Exception)), None)
    return fault or [part for part in parts if not isinstance(part, Exception)]


def _ask(turn: Turn, opened: Opened, answered: Mapping[int, Seen]) -> Asked:
    tracker = turn.tracker
    search = tracker.search(opened.newest, tracker.tracks.keys() - answered.keys())
    return Asked(tracker, search, answered)


def _settle(asked: Asked, found: Found) -> list[Prediction]:
    return asked.tracker.settle(asked.search, found, asked.answered)


def together(
    call: Callable[[Sequence[In]], Sequence[Out]], items: Sequence[In | Exception]
) -> list[Out | Exception]:
    """Calls once for all; if that fails, one by one, so that only the guilty get the fault.

    The call changes nothing but what it returns. Items that are exceptions are answered by
    themselves.
    """
    good = [item for item in items if not isinstance(item, Exception)]
    answers = iter(_attempt(call, good))
    return [item if isinstance(item, Exception) else next(answers) for item in items]


def _attempt(
    call: Callable[[Sequence[In]], Sequence[Out]], items: Sequence[In]
) -> Sequence[Out | Exception]:
    if not items:
        return []
    try:
        return call(items)
    except Exception as error:  # the fault boundary between streams
        log.warning("a batch of %d failed", len(items), exc_info=True)
        fault = TickLost(f"{type(error).__name__}: {error}")
    if len(items) == 1:
        return [fault]
    # One by one, out of the except block: what the failed batch held on the device is free again.
    return [answer for item in items for answer in _attempt(call, [item])]


def each(call: Callable[..., Out], *columns: Sequence[object]) -> list[Out | Exception]:
    """Calls once a row; a row that holds an exception is answered by it."""
    return [_call(call, row) for row in zip(*columns, strict=True)]


def _call(call: Callable[..., Out], row: tuple[object, ...]) -> Out | Exception:
    for item in row:
        if isinstance(item, Exception):
            return item
    try:
        return call(*row)
    except Exception as error:  # noqa: BLE001 the fault boundary between streams
        is_passing = isinstance(error, PASSING) or NO_HOST_MEMORY in str(error)
        return TickLost(f"{type(error).__name__}: {error}") if is_passing else error
