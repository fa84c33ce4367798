"""StreamState: one stream's tracks and last frames, and each change that they go through."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from sam2_rt.tracking.batch import Found, Search
from sam2_rt.tracking.kept_frame import KeptFrame, KeptFrames, Seen
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Applied, Refused
from sam2_rt.tracking.track import Prediction, Track
from sam2_rt.tracking.track_state import EventKind, TrackEvent
from sam2_rt.tracking.tracker_config import TrackerConfig

MAX_EVENTS = 1024
"""Changes that wait to be taken; beyond it the oldest are forgotten."""


class NotFinite(ArithmeticError):
    """The model gave what is no number; the frame is lost, what was remembered before it is not."""


class StreamState:
    """What is known of a stream. It computes nothing: what the model gave is put in and judged."""

    def __init__(self, config: TrackerConfig, pool: MemoryPool) -> None:
        self.config = config
        self.tracks: dict[int, Track] = {}
        self.num_frames = 0
        self.events: deque[TrackEvent] = deque(maxlen=MAX_EVENTS)  # since take_events()
        self._kept = KeptFrames(config.kept_frames)
        self._pool = pool

    def search(self, kept: KeptFrame, track_ids: Collection[int]) -> Search:
        """What to look for in a frame: tracks, and what each of them reads."""
        tracks = tuple(self.tracks[track_id] for track_id in sorted(track_ids))
        limit = self.config.max_attended
        return Search(kept, tracks, tuple(t.bank.choose(kept.index, limit) for t in tracks))

    def settle(
        self, search: Search, found: Found, answered: Mapping[int, Seen]
    ) -> list[Prediction]:
        """Remembers what was found, and says of each track in the frame what it became.

        answered: by prompts, in the same frame. Raises NotFinite, remembering nothing of it.
        """
        predictions = self._judge(search.kept, {**self.remember(search, found), **answered})
        self.drop_hidden()
        return predictions

    def remember(self, search: Search, found: Found) -> dict[int, Seen]:
        """Takes in what a search gave, if all of it are numbers. Raises NotFinite."""
        if not found.seen:
            return {}
        self._check(search.kept, found.seen)
        rooms = [track.bank.recent_room(search.kept.index) for track in search.tracks]
        self._pool.write(rooms, found.memories, found.pointers)
        for track in search.tracks:
            track.bank.note_recent(search.kept.index)
        rows = {t.track_id: seen for t, seen in zip(search.tracks, found.seen, strict=True)}
        search.kept.found.update((i, seen.decoded.mask_logits) for i, seen in rows.items())
        return rows

    def _check(self, kept: KeptFrame, seen: Sequence[Seen]) -> None:
        """What is no number would be read, and spread, for as long as it is remembered."""
        if not all(one.is_finite for one in seen):
            self._kept.drop(kept)
            raise NotFinite(f"frame {kept.index} gave what is no number and is left out")

    def _judge(self, kept: KeptFrame, rows: Mapping[int, Seen]) -> list[Prediction]:
        """Turns what was seen into predictions and moves each track's presence on."""
        predictions = []
        for track_id, seen in sorted(rows.items(), key=lambda row: row[0]):
            track = self.tracks[track_id]
            track.presence, change = track.presence.after(seen.object_score, self.config.presence)
            self._note(change, track_id, kept.index)
            predictions.append(track.predict(kept.index, seen))
        return predictions

    def drop_hidden(self) -> None:
        """Forgets the tracks that were hidden for too long."""
        limit = self.config.presence.drop_after_frames
        for track_id, track in list(self.tracks.items()):
            if track.presence.frames_hidden > limit:
                self._forget(track_id)

    def remove(self, track_id: int) -> Applied | Refused:
        """Forgets a track that its viewer gave up."""
        index = max(self.num_frames - 1, 0)
        if track_id not in self.tracks:
            return Refused(track_id, "unknown_track", f"there is no track {track_id}")
        self._forget(track_id)
        self._note(EventKind.REMOVED, track_id, index)
        return Applied(track_id, index, is_exact=True)

    def forget_frames(self) -> None:
        """No frame up to now can be corrected any more: the next ones may have another clock."""
        self._kept.clear()

    def close(self) -> None:
        """Gives back all that its tracks hold; it is not stepped after."""
        for track_id in list(self.tracks):
            self._forget(track_id)

    def take_events(self) -> list[TrackEvent]:
        """The changes since the last call, oldest first."""
        events = list(self.events)
        self.events.clear()
        return events

    def _forget(self, track_id: int) -> None:
        self.tracks.pop(track_id).bank.release()
        self._kept.forget(track_id)

    def _note(self, kind: EventKind | None, track_id: int, index: int) -> None:
        if kind is not None:
            self.events.append(TrackEvent(kind, track_id, index))
