"""Listener: what a stream's user says becomes questions to the model, and the answers memories."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sam2_rt.tracking.batch import Found
from sam2_rt.tracking.kept_frame import KeptFrame, Seen
from sam2_rt.tracking.memory_bank import Memory, MemoryBank
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Applied, Prompt, Refused, Undo
from sam2_rt.tracking.question import Answered, Asking, Question, Replies
from sam2_rt.tracking.stream_state import NotFinite, StreamState
from sam2_rt.tracking.track import Track
from sam2_rt.tracking.track_state import EventKind
from sam2_rt.tracking.tracker_config import TrackerConfig

Talk = Generator[Asking, Replies, dict[int, Seen]]
"""Yields what it has to know, is sent the replies in order, and returns what the newest frame got.
So whoever steps many streams asks the model once for all of them."""


@dataclass(slots=True, eq=False)
class _Said:
    """A prompt that is being carried out."""

    prompt: Prompt
    track: Track
    kept: KeptFrame
    is_newest: bool
    is_exact: bool
    begins: bool
    """The track; it goes again if there is no answer."""
    outcome: Applied | Refused | None = None

    @property
    def is_unfound(self) -> bool:
        """Whether it corrects a track where nobody has looked for it yet."""
        kept, track_id = self.kept, self.track.track_id
        is_known = kept.is_tracked(track_id) or track_id in kept.answered
        return not (self.begins or is_known or self.prompt.mask is not None)


class Listener(StreamState):
    """The part of a tracker that is spoken to."""

    def __init__(self, config: TrackerConfig, pool: MemoryPool) -> None:
        super().__init__(config, pool)
        self.answers: list[Applied | Refused] = []  # to the prompts of the last step, in order

    def talk(self, prompts: Iterable[Prompt | Undo]) -> Talk:
        """Carries out what was said, each prompt in the frame that its user saw.

        Those about different tracks are asked about together. Raises NotFinite for the newest
        frame; an older one that gave no numbers refuses its prompt.
        """
        newest = self._kept.newest
        self.answers = []
        for wave in _waves(prompts):
            if isinstance(wave, Undo):
                self.answers.append(self.undo(wave))
            else:
                self.answers.extend((yield from self._take_up(wave)))
        return dict(newest.answered)

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

    def _take_up(
        self, prompts: Sequence[Prompt]
    ) -> Generator[Asking, Replies, list[Applied | Refused]]:
        """Prompts about as many tracks; none is left of the tracks that began in vain."""
        outcomes = [self._begin(prompt) for prompt in prompts]
        said = [one for one in outcomes if isinstance(one, _Said)]
        try:
            yield from self._find([one for one in said if one.is_unfound])
            yield from self._answer([one for one in said if one.outcome is None])
        finally:
            for one in said:
                if one.begins and not isinstance(one.outcome, Applied):
                    self._forget(one.track.track_id)
        ended = (one.outcome if isinstance(one, _Said) else one for one in outcomes)
        return [outcome for outcome in ended if outcome is not None]

    def _begin(self, prompt: Prompt) -> _Said | Refused:
        """Makes room for the track if there is none yet."""
        refused = self._refusal(prompt)
        if refused is not None:
            return refused
        newest = self._kept.newest
        there = newest if prompt.pts is None else self._kept.at(prompt.pts)
        kept, begins = there or newest, not self._knows(prompt)
        if begins:
            self.tracks[prompt.track_id] = Track(prompt.track_id, MemoryBank(self._pool))
        track = self.tracks[prompt.track_id]
        return _Said(prompt, track, kept, kept is newest, there is not None, begins)

    def _find(self, said: Sequence[_Said]) -> Generator[Asking, Replies, None]:
        """Tracks are corrected where they are found; what an old frame gave is not remembered."""
        if not said:
            return
        searches = [self.search(one.kept, [one.track.track_id]) for one in said]
        for one, search, found in zip(said, searches, (yield searches), strict=True):
            assert isinstance(found, Found)
            if one.is_newest:
                self.remember(search, found)
            elif self._is_sound(one, found.seen):
                one.kept.found[one.track.track_id] = found.seen[0].decoded.mask_logits

    def _answer(self, said: Sequence[_Said]) -> Generator[Asking, Replies, None]:
        if not said:
            return
        questions = [self._question(one) for one in said]
        for one, question, answered in zip(said, questions, (yield questions), strict=True):
            assert isinstance(answered, Answered)
            if self._is_sound(one, [answered.seen]):
                self._take_in(one, question.prompt, answered)

    def _question(self, said: _Said) -> Question:
        track, kept = said.track, said.kept
        choice = track.bank.choose(kept.index, self.config.max_attended)
        # A track that was never looked for in this frame begins here, whatever else it remembers.
        begins = not kept.is_tracked(track.track_id) or not choice.memories
        return Question(kept, kept.whole(said.prompt), track.bank, None if begins else choice)

    def _is_sound(self, said: _Said, seen: Sequence[Seen]) -> bool:
        """Whether a frame gave numbers; if an old one did not, its prompt is refused."""
        try:
            self._check(said.kept, seen)
        except NotFinite as error:
            if said.is_newest:
                raise
            said.outcome = Refused(said.track.track_id, "bad_prompt", str(error))
            return False
        return True

    def _take_in(self, said: _Said, whole: Prompt, answered: Answered) -> None:
        """Remembers an answer to all that was said of a track in a frame."""
        track, kept, seen = said.track, said.kept, answered.seen
        memory, before = Memory(kept.index, answered.memory, seen.decoded.object_pointer), None
        if self.config.corrections_are_conditioning or not kept.is_tracked(track.track_id):
            before = track.bank.condition(memory)
        else:
            track.bank.replace_recent(memory)
        track.words.add(track.track_id, kept, seen.decoded.mask_logits, before, self._kept)
        kept.note(whole, seen)
        track.presence = replace(track.presence, frames_hidden=0)  # its user says it is here
        if said.begins:
            self._note(EventKind.ADDED, track.track_id, kept.index)
        said.outcome = Applied(track.track_id, kept.index, is_exact=said.is_exact)


def _waves(said: Iterable[Prompt | Undo]) -> Iterator[list[Prompt] | Undo]:
    """Runs of prompts about different tracks, in order."""
    wave: dict[int, Prompt] = {}
    for one in said:
        if wave and (isinstance(one, Undo) or one.track_id in wave):
            yield list(wave.values())
            wave = {}
        if isinstance(one, Undo):
            yield one
        else:
            wave[one.track_id] = one
    if wave:
        yield list(wave.values())
