"""Tracker: all tracks of one stream. One step a frame: encode once, prompt, propagate, memorise."""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

import torch

from sam2_rt.model.sam2 import SAM2, Decoded
from sam2_rt.tracking.frame import Frame, to_input
from sam2_rt.tracking.kept_frame import KeptFrame, KeptFrames, to_mask, to_tensors
from sam2_rt.tracking.memory_bank import Memory, MemoryBank, pack
from sam2_rt.tracking.prompt import Applied, Prompt, Refused
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


class Tracker:
    """Steps all tracks of one stream as one batch."""

    def __init__(self, model: SAM2, config: TrackerConfig | None = None) -> None:
        self.model = model
        self.config = config or TrackerConfig()
        self.tracks: dict[int, Track] = {}
        self.encoder_calls = 0
        self.answers: list[Applied | Refused] = []  # to the prompts of the last step, in order
        self.events: deque[TrackEvent] = deque(maxlen=MAX_EVENTS)  # since take_events()
        self._kept = KeptFrames(self.config.kept_frames)
        weight = model.no_obj_ptr
        self._device, self._dtype = weight.device, weight.dtype

    @torch.inference_mode()
    def step(self, frame: Frame, prompts: Sequence[Prompt] = ()) -> list[Prediction]:
        """Follows every track into one more frame; predictions come in order of track_id."""
        newest = self.encode(frame)
        decoded = self.apply(prompts)
        decoded |= self.propagate(newest, self.tracks.keys() - decoded.keys())
        predictions = self.judge(newest, decoded)
        self.drop_hidden()
        return predictions

    def encode(self, frame: Frame) -> KeptFrame:
        """Runs the image encoder: once a frame, whatever is tracked."""
        pixels = to_input(frame, self.model.config.image_size, self._device, self._dtype)
        embedding = self.model.encode_image(pixels)
        kept = KeptFrame(self.encoder_calls, frame.pts, embedding)
        self.encoder_calls += 1
        return self._kept.add(kept)

    def apply(self, prompts: Iterable[Prompt]) -> dict[int, Decoded]:
        """Applies each prompt to the frame its user saw; returns what the newest frame got."""
        newest, decoded = self._kept.newest, {}
        self.answers = []
        for prompt in prompts:
            seen = newest if prompt.pts is None else self._kept.at(prompt.pts)
            kept = seen or newest
            refused = self._refusal(prompt)
            if refused is not None:
                self.answers.append(refused)
                continue
            step = self._correct(kept, prompt) if self._knows(prompt) else self._begin(kept, prompt)
            if kept is newest:
                decoded[prompt.track_id] = step.decoded
            self.answers.append(Applied(prompt.track_id, kept.index, is_exact=seen is not None))
        return decoded

    def propagate(self, kept: KeptFrame, track_ids: Collection[int]) -> dict[int, Decoded]:
        """Looks for tracks in a frame by what they remember, all as one batch."""
        tracks = [self.tracks[track_id] for track_id in sorted(track_ids)]
        if not tracks:
            return {}
        banks = [track.bank for track in tracks]
        memories = pack(banks, [b.choose(kept.index, self.config.max_attended) for b in banks])
        step = track_step(self.model, kept.embedding, memories, None)
        rows = {}
        for row, track in enumerate(tracks):
            decoded = rows[track.track_id] = _row(step.decoded, row)
            kept.found[track.track_id] = decoded.mask_logits
            track.bank.add_recent(Memory(kept.index, step.memory[row], decoded.object_pointer))
        return rows

    def judge(self, kept: KeptFrame, decoded: dict[int, Decoded]) -> list[Prediction]:
        """Turns what was decoded into predictions and moves each track's presence on."""
        if not decoded:
            return []
        ordered = sorted(decoded.items())
        # The one place where the host waits for the device.
        numbers = torch.stack([torch.stack([d.object_score, d.iou]) for _, d in ordered]).tolist()
        predictions = []
        for (track_id, d), (object_score, iou) in zip(ordered, numbers, strict=True):
            track = self.tracks[track_id]
            track.presence, change = track.presence.after(object_score, self.config.presence)
            self._note(change, track_id, kept.index)
            predictions.append(
                Prediction(
                    track_id,
                    kept.index,
                    track.presence.state,
                    d.mask_logits,
                    iou,
                    object_score,
                    d.object_pointer,
                )
            )
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
        if (
            prompt.mask is None
            and prompt.box is None
            and not any(p.is_positive for p in prompt.points)
        ):
            reason = "a track begins with a positive click, a box or a mask"
            return Refused(prompt.track_id, "bad_prompt", reason)
        return None

    def _begin(self, kept: KeptFrame, prompt: Prompt) -> Step:
        """Makes room for a track and answers its first prompt; no track is left if that fails."""
        bank = MemoryBank(self.model.config, self.config.max_conditioning, self._device)
        track = Track(prompt.track_id, bank)
        step = self._prompt(track, kept, prompt)
        self.tracks[prompt.track_id] = track
        self._note(EventKind.ADDED, prompt.track_id, kept.index)
        return step

    def _correct(self, kept: KeptFrame, prompt: Prompt) -> Step:
        """Answers a prompt for a track that is there, by its memory and its mask so far."""
        track_id = prompt.track_id
        is_unseen = not kept.is_tracked(track_id) and track_id not in kept.answered
        if is_unseen and kept is self._kept.newest and prompt.mask is None:
            self.propagate(kept, [track_id])  # it is corrected where it is found
        return self._prompt(self.tracks[track_id], kept, prompt)

    def _prompt(self, track: Track, kept: KeptFrame, prompt: Prompt) -> Step:
        """Answers a prompt in a kept frame and remembers the answer."""
        whole = kept.tell(prompt)
        step = self._answer(track, kept, whole)
        decoded = _row(step.decoded, 0)
        kept.answered[track.track_id] = decoded.mask_logits
        memory = Memory(kept.index, step.memory[0], decoded.object_pointer)
        if self.config.corrections_are_conditioning or not kept.is_tracked(track.track_id):
            track.bank.condition(memory)
        else:
            track.bank.replace_recent(memory)
        track.presence = replace(track.presence, frames_hidden=0)  # its user says it is here
        return Step(decoded, step.memory)

    def _answer(self, track: Track, kept: KeptFrame, prompt: Prompt) -> Step:
        size = self.model.config.image_size
        if prompt.mask is not None:
            return adopt_step(self.model, kept.embedding, to_mask(prompt, size).to(self._device))
        choice = track.bank.choose(kept.index, self.config.max_attended)
        # A track that was never looked for in this frame begins here, whatever else it remembers.
        begins = not kept.is_tracked(track.track_id) or not choice.memories
        memories = None if begins else pack([track.bank], [choice])
        tensors = to_tensors(prompt, kept.previous(track.track_id), size, self._device)
        return track_step(self.model, kept.embedding, memories, tensors)

    def _forget(self, track_id: int) -> None:
        del self.tracks[track_id]
        self._kept.forget(track_id)

    def _note(self, kind: EventKind | None, track_id: int, index: int) -> None:
        if kind is not None:
            self.events.append(TrackEvent(kind, track_id, index))


def _row(decoded: Decoded, row: int) -> Decoded:
    """One row of a batch, without the batch's dimension."""
    return Decoded(*(field[row] for field in decoded))
