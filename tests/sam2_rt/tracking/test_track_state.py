import pytest

from sam2_rt.tracking.track_state import EventKind, Presence, PresenceLimits, TrackState

LIMITS = PresenceLimits(
    visible_above=1.0, hidden_below=-1.0, lost_after_frames=2, drop_after_frames=4
)


def follow(*scores: float) -> tuple[list[TrackState], list[EventKind | None]]:
    presence, states, events = Presence(), [], []
    for score in scores:
        presence, event = presence.after(score, LIMITS)
        states.append(presence.state)
        events.append(event)
    return states, events


def test_a_seen_track_stays_visible_without_events():
    assert follow(3.0, 2.0) == ([TrackState.VISIBLE] * 2, [None, None])


def test_a_score_between_the_thresholds_changes_nothing():
    assert follow(0.5, -0.5)[0] == [TrackState.VISIBLE] * 2
    assert follow(-2.0, 0.5)[0] == [TrackState.OCCLUDED] * 2


def test_a_hidden_track_comes_back_as_reacquired():
    states, events = follow(-2.0, 2.0)
    assert states == [TrackState.OCCLUDED, TrackState.VISIBLE]
    assert events == [EventKind.OCCLUDED, EventKind.REACQUIRED]


def test_a_track_hidden_for_long_is_lost_then_dropped():
    states, events = follow(*[-2.0] * 5)
    assert states == [TrackState.OCCLUDED] * 2 + [TrackState.LOST] * 3
    assert events == [EventKind.OCCLUDED, None, EventKind.LOST, None, EventKind.DROPPED]


def test_a_lost_track_can_still_be_reacquired():
    states, events = follow(-2.0, -2.0, -2.0, 2.0)
    assert states[-1] is TrackState.VISIBLE
    assert events[-1] is EventKind.REACQUIRED


def test_a_prompt_that_does_not_help_leaves_a_lost_track_lost():
    """A prompt starts the count anew; being lost is announced once."""
    presence, event = Presence(TrackState.LOST, 0).after(-2.0, LIMITS)
    assert (presence.state, presence.frames_hidden, event) == (TrackState.LOST, 1, None)


def test_being_seen_starts_the_count_anew():
    states, _ = follow(-2.0, -2.0, 2.0, -2.0, -2.0)
    assert TrackState.LOST not in states


def test_thresholds_that_cross_are_refused():
    with pytest.raises(ValueError, match="hidden_below"):
        PresenceLimits(visible_above=-1.0, hidden_below=1.0)


def test_a_track_that_is_dropped_before_it_is_lost_is_refused():
    with pytest.raises(ValueError, match="lost_after_frames"):
        PresenceLimits(lost_after_frames=10, drop_after_frames=5)
