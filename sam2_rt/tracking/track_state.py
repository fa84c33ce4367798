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


@dataclass(frozen=True, slots=True)
class PresenceLimits:
    """When a track counts as seen. Two thresholds, so that a score near zero does not flicker."""

    visible_above: float = 0.5
    """Object score (logit) that brings a hidden track back."""
    hidden_below: float = -0.5
    """Object score that hides a visible one."""
    lost_after_frames: int = 90
    drop_after_frames: int = 1800

    def __post_init__(self) -> None:
        if self.hidden_below > self.visible_above:
            raise ValueError(
                f"hidden_below {self.hidden_below} is above visible_above {self.visible_above}"
            )
        if not 0 < self.lost_after_frames <= self.drop_after_frames:
            raise ValueError(
                f"lost_after_frames {self.lost_after_frames} is not in "
                f"1..drop_after_frames ({self.drop_after_frames})"
            )


@dataclass(frozen=True, slots=True)
class Presence:
    """A track's state and for how many frames it has been hidden."""

    state: TrackState = TrackState.VISIBLE
    frames_hidden: int = 0

    def after(
        self, object_score: float, limits: PresenceLimits
    ) -> tuple["Presence", EventKind | None]:
        """The presence after a frame with this score, and the event if that is a change."""
        is_visible = self.state is TrackState.VISIBLE
        threshold = limits.hidden_below if is_visible else limits.visible_above
        if object_score > threshold:
            return Presence(), None if is_visible else EventKind.REACQUIRED
        hidden = self.frames_hidden + 1
        if hidden > limits.drop_after_frames:
            return Presence(TrackState.LOST, hidden), EventKind.DROPPED
        # A prompt starts the count anew, but only being seen ends being lost.
        if self.state is TrackState.LOST or hidden > limits.lost_after_frames:
            event = None if self.state is TrackState.LOST else EventKind.LOST
            return Presence(TrackState.LOST, hidden), event
        event = EventKind.OCCLUDED if is_visible else None
        return Presence(TrackState.OCCLUDED, hidden), event
