"""Tick: one frame of each of many streams, as one batch; a fault stays with its own stream."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch

from sam2_rt.fault import TickLost
from sam2_rt.model.sam2 import Embedding
from sam2_rt.tracking.batch import Found, Search, encode, look
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.kept_frame import Seen
from sam2_rt.tracking.prompt import Prompt, Undo
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
    called when the image encoder was given to the device.
    """
    embedded = together(lambda frames: encode(calls, frames), [turn.frame for turn in turns])
    on_encoded()
    asked = each(_ask, turns, embedded)
    found = together(lambda some: look(calls, [one.search for one in some]), asked)
    return each(_settle, asked, found)


def _ask(turn: Turn, embedding: Embedding) -> Asked:
    tracker = turn.tracker
    newest = tracker.keep(turn.frame, embedding)
    answered = tracker.apply(turn.prompts)
    search = tracker.search(newest, tracker.tracks.keys() - answered.keys())
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
