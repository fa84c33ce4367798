"""Tracker: all tracks of one stream. One step a frame: encode once, prompt, propagate, memorise."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from sam2_rt.model.sam2 import SAM2, Embedding
from sam2_rt.tracking.batch import Found, Search, encode, look, read
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.kept_frame import KeptFrame, KeptFrames, Seen, to_mask, to_tensors
from sam2_rt.tracking.memory_bank import Memory, MemoryBank, pack
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Applied, Prompt, Refused, Undo
from sam2_rt.tracking.track import Prediction, Track
from sam2_rt.tracking.track_state import EventKind, PresenceLimits, TrackEvent
from sam2_rt.tracking.track_step import Step, adopt_step, track_step

MAX_EVENTS = 1024
"""Changes that wait to be taken; beyond it the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """The bounds and thresholds of one stream."""

    max_tracks: int = 16
    max_conditioning: int = 4
    """Prompted frames that a track remembers: the first and the newest others."""
    kept_frames: int = 8
    """Frames that a late prompt can still correct."""
    corrections_are_conditioning: bool = True
    """False is the reference's default, in which corrections fade."""
    max_attended: int | None = None
    """Conditioning memories read in one frame; None: all there are."""
    presence: PresenceLimits = field(default_factory=PresenceLimits)

    def __post_init__(self) -> None:
        for name in ("max_tracks", "max_conditioning", "kept_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is not positive")


class NotFinite(ArithmeticError):
    """The model gave what is no number; the frame is lost, what was remembered before it is not."""


class Tracker:
    """All tracks of one stream. It steps alone, or many of them at once (engine.py)."""

    def __init__(
        self,
        model: SAM2 | Calls,
        config: TrackerConfig | None = None,
        pool: MemoryPool | None = None,
    ) -> None:
        """Without a pool that it shares with other streams it has one of its own."""
        self._calls = model if isinstance(model, Calls) else Calls(model)
        self.model = self._calls.model
        self.config = config or TrackerConfig()
        self.tracks: dict[int, Track] = {}
        self.encoder_calls = 0
        self.answers: list[Applied | Refused] = []  # to the prompts of the last step, in order
        self.events: deque[TrackEvent] = deque(maxlen=MAX_EVENTS)  # since take_events()
        self._kept = KeptFrames(self.config.kept_frames)
        self._device = self.model.no_obj_ptr.device
        self._pool = pool or MemoryPool(
            self.model.config, self.config.max_tracks, self.config.max_conditioning, self._device
        )

    @torch.inference_mode()
    def step(self, frame: Frame, prompts: Sequence[Prompt | Undo] = ()) -> list[Prediction]:
        """Follows every track into one more frame; predictions come in order of track_id.

        Raises NotFinite.
        """
        [embedding] = encode(self._calls, [frame])
        newest = self.keep(frame, embedding)
        answered = self.apply(prompts)
        search = self.search(newest, self.tracks.keys() - answered.keys())
        [found] = look(self._calls, [search])
        return self.settle(search, found, answered)

    def keep(self, frame: Frame, embedding: Embedding) -> KeptFrame:
        """Makes an encoded frame the newest."""
        kept = KeptFrame(self.encoder_calls, frame.pts, embedding)
        self.encoder_calls += 1
        return self._kept.add(kept)

    def apply(self, prompts: Iterable[Prompt | Undo]) -> dict[int, Seen]:
        """Applies each prompt to the frame its user saw; returns what the newest frame got.

        Raises NotFinite for the newest frame; an older one that gave no numbers refuses its prompt.
        """
        self.answers = []
        for said in prompts:
            self.answers.append(self.undo(said) if isinstance(said, Undo) else self._take_up(said))
        return dict(self._kept.newest.answered)

    def _take_up(self, prompt: Prompt) -> Applied | Refused:
        newest = self._kept.newest
        there = newest if prompt.pts is None else self._kept.at(prompt.pts)
        kept = there or newest
        refused = self._refusal(prompt)
        if refused is not None:
            return refused
        try:
            self._say(kept, prompt)
        except NotFinite as error:
            if kept is newest:
                raise
            return Refused(prompt.track_id, "bad_prompt", str(error))
        return Applied(prompt.track_id, kept.index, is_exact=there is not None)

    def undo(self, said: Undo) -> Applied | Refused:
        """Takes back the last word about a track; one that rests on it alone goes."""
        track_id = said.track_id
        words = self.tracks[track_id].words if track_id in self.tracks else None
        if words is None or words.is_only_one:
            return self.remove(track_id)
        if words.last is None:
            return Refused(track_id, "nothing_to_undo", "what was said longer ago stays")
        words.take_back(track_id, self.tracks[track_id].bank, self._kept)
        return Applied(track_id, self._kept.newest.index, is_exact=True)

    def num_beginning(self, prompts: Iterable[Prompt | Undo]) -> int:
        """Tracks that would begin with these prompts, were there room on the device."""
        said = (p for p in prompts if isinstance(p, Prompt) and p.can_begin)
        begun = {p.track_id for p in said if not self._knows(p)}
        return min(len(begun), self.config.max_tracks - len(self.tracks))

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
        index = max(self.encoder_calls - 1, 0)
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

    def _knows(self, prompt: Prompt) -> bool:
        return prompt.track_id in self.tracks

    def _refusal(self, prompt: Prompt) -> Refused | None:
        """Why a prompt cannot begin a track; corrections are never refused."""
        if self._knows(prompt):
            return None
        if len(self.tracks) >= self.config.max_tracks:
            limit = f"at most {self.config.max_tracks} tracks: remove one first"
            return Refused(prompt.track_id, "too_many_tracks", limit)
        if self._pool.num_free == 0:
            full = "the device has no room for another track: remove one or come back later"
            return Refused(prompt.track_id, "too_many_tracks", full)
        if not prompt.can_begin:
            reason = "a track begins with a positive click, a box or a mask"
            return Refused(prompt.track_id, "bad_prompt", reason)
        return None

    def _say(self, kept: KeptFrame, prompt: Prompt) -> None:
        (self._correct if self._knows(prompt) else self._begin)(kept, prompt)

    def _begin(self, kept: KeptFrame, prompt: Prompt) -> None:
        """Makes room for a track and answers its first prompt; no track is left if that fails."""
        bank = MemoryBank(self._pool)
        track = Track(prompt.track_id, bank)
        try:
            self._prompt(track, kept, prompt)
        except BaseException:
            bank.release()
            raise
        self.tracks[prompt.track_id] = track
        self._note(EventKind.ADDED, prompt.track_id, kept.index)

    def _correct(self, kept: KeptFrame, prompt: Prompt) -> None:
        """Answers a prompt for a track that is there, by its memory and its mask so far."""
        track_id = prompt.track_id
        is_unseen = not kept.is_tracked(track_id) and track_id not in kept.answered
        if is_unseen and prompt.mask is None:  # it is corrected where it is found
            self._find(kept, track_id)
        self._prompt(self.tracks[track_id], kept, prompt)

    def _find(self, kept: KeptFrame, track_id: int) -> None:
        """Looks for a track in a frame where nobody has; what an old one gave is not remembered."""
        search = self.search(kept, [track_id])
        [found] = look(self._calls, [search])
        if kept is self._kept.newest:
            self.remember(search, found)
        else:
            self._check(kept, found.seen)
            kept.found[track_id] = found.seen[0].decoded.mask_logits

    def _prompt(self, track: Track, kept: KeptFrame, prompt: Prompt) -> None:
        """Answers a prompt in a kept frame and remembers the answer."""
        whole = kept.whole(prompt)
        step = self._answer(track, kept, whole)
        [seen] = read(step)
        self._check(kept, [seen])
        memory, before = Memory(kept.index, step.memory[0], seen.decoded.object_pointer), None
        if self.config.corrections_are_conditioning or not kept.is_tracked(track.track_id):
            before = track.bank.condition(memory)
        else:
            track.bank.replace_recent(memory)
        track.words.add(track.track_id, kept, seen.decoded.mask_logits, before, self._kept)
        kept.note(whole, seen)
        track.presence = replace(track.presence, frames_hidden=0)  # its user says it is here

    def _answer(self, track: Track, kept: KeptFrame, prompt: Prompt) -> Step:
        size = self.model.config.image_size
        if prompt.mask is not None:
            return adopt_step(self.model, kept.embedding, to_mask(prompt, size).to(self._device))
        choice = track.bank.choose(kept.index, self.config.max_attended)
        # A track that was never looked for in this frame begins here, whatever else it remembers.
        begins = not kept.is_tracked(track.track_id) or not choice.memories
        memories = None if begins else pack([track.bank], [choice])
        tensors = to_tensors(prompt, kept.previous(prompt), size, self._device)
        return track_step(self.model, kept.embedding, memories, tensors)

    def _forget(self, track_id: int) -> None:
        self.tracks.pop(track_id).bank.release()
        self._kept.forget(track_id)

    def _note(self, kind: EventKind | None, track_id: int, index: int) -> None:
        if kind is not None:
            self.events.append(TrackEvent(kind, track_id, index))
