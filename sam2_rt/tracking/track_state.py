"""TrackState and its one transition: where an object is dropped and reacquired. No torch."""

from dataclasses import dataclass
from enum import StrEnum


class TrackState(StrEnum):
    """Where a track is in its life."""

    VISIBLE = "visible"
    OCCLUDED = "occluded"
    """Not in this frame by the occlusion head; still sought in each."""
    LOST = "lost"
    """Hidden for longer than `lost_after_frames`; still sought until it is dropped."""


class EventKind(StrEnum):
    """A change in a track's life that its viewer is told of."""

    ADDED = "added"
    OCCLUDED = "occluded"
    REACQUIRED = "reacquired"
    LOST = "lost"
    DROPPED = "dropped"
    """Hidden for longer than `drop_after_frames`: the tracker forgot it."""
    REMOVED = "removed"
    """By its viewer."""


@dataclass(frozen=True, slots=True)
class TrackEvent:
    """One change of one track."""

    kind: EventKind
    track_id: int
    index: int
    """Frame of the change: 0, 1, 2... as processed."""
