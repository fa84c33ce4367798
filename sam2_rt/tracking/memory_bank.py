"""MemoryBank: what one track remembers and where. Memory is bounded here and in the pool."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam2_rt.model.config import NUM_RECENT
from sam2_rt.model.sam2 import Memories
from sam2_rt.tracking.memory_policy import NUM_RECENT_POINTERS, Attended, Choice, choose, surplus
from sam2_rt.tracking.memory_pool import MemoryPool, Room
from sam2_rt.tracking.transfer import send_numbers


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """One remembered frame of one track."""

    index: int
    features: Tensor
    """[memory_dim, g, g]"""
    pointer: Tensor
    """[dim]"""


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """What conditioning on one frame took the place of in a bank."""

    index: int
    is_recent: bool
    """That frame was remembered as a recent one..."""
    is_recent_pointer: bool
    """... and its pointer."""
    conditioning: dict[int, int]
    """frame -> place"""
    overwritten: Memory | None
    """Whose place was taken: the same frame's, or that of a frame that had to leave."""


class MemoryBank:
    """A berth in a pool: room for C conditioning and 6 recent memories and for their pointers.

    Recent memories live at their frame number modulo the room: when a seventh comes, the first is
    too old to be read.
    """

    def __init__(self, pool: MemoryPool) -> None:
        """Raises PoolFull. Whoever made it releases it."""
        self.pool = pool
        self.max_conditioning = pool.max_conditioning
        self._berth: int | None = pool.take()
        self._first = Room(self._berth * pool.slots_a_track, self._berth * pool.pointers_a_track)
        self._conditioning: dict[int, int] = {}  # frame -> place, in order of arrival
        self._recent: list[int | None] = [None] * NUM_RECENT  # frame of each place
        self._recent_pointers: list[int | None] = [None] * NUM_RECENT_POINTERS

    def release(self) -> None:
        """Gives the berth back; a bank is not used after. Twice is no error."""
        if self._berth is not None:
            self.pool.give_back(self._berth)
            self._berth = None

    @property
    def conditioning(self) -> tuple[int, ...]:
        """Frames whose memories come from prompts, in order of arrival."""
        return tuple(self._conditioning)

    def condition(self, memory: Memory) -> Before:
        """Remembers a prompted frame; at the bound the oldest but the first leaves."""
        is_recent = memory.index in self._recent, memory.index in self._recent_pointers
        self._forget_recent(memory.index)
        conditioning, overwritten = dict(self._conditioning), None
        place = self._conditioning.get(memory.index)
        if place is None:
            leaving = surplus(self.conditioning, self.max_conditioning)
            if leaving is not None:
                overwritten = self._copy(leaving)
                place = self._conditioning.pop(leaving)
                self._demote(leaving, self._at(place, place))
            else:
                place = min(set(range(self.max_conditioning)) - set(self._conditioning.values()))
            self._conditioning[memory.index] = place
        else:
            overwritten = self._copy(memory.index)
        self._write(self._at(place, place), memory)
        return Before(memory.index, *is_recent, conditioning, overwritten)

    def take_back(self, before: Before, newest: int) -> None:
        """Undoes the last condition() that was not undone yet; frame `newest` is to be searched."""
        self._conditioning, index = dict(before.conditioning), before.index
        if before.overwritten is not None:
            self._write(self._room(before.overwritten.index), before.overwritten)
        # What was found in that frame lies where it did, while no other frame took its room.
        place, age = index % NUM_RECENT, newest - index
        if before.is_recent and age < NUM_RECENT and self._recent[place] is None:
            self._recent[place] = index
        place = index % NUM_RECENT_POINTERS
        has_pointer = before.is_recent_pointer and age < NUM_RECENT_POINTERS
        if has_pointer and self._recent_pointers[place] is None:
            self._recent_pointers[place] = index

    def forget_since(self, index: int) -> None:
        """Forgets what was found in that frame and later ones; prompted frames stay."""
        for frames in (self._recent, self._recent_pointers):
            frames[:] = [i if i is None or i < index else None for i in frames]

    def recent_room(self, index: int) -> Room:
        """Where the memory of a tracked frame belongs: that of the frame that is out of reach."""
        return self._recent_at(index)

    def note_recent(self, index: int) -> None:
        """From now on that frame is remembered, because its memory was written."""
        self._recent[index % NUM_RECENT] = index
        self._recent_pointers[index % NUM_RECENT_POINTERS] = index

    def add_recent(self, memory: Memory) -> None:
        """Remembers a tracked frame."""
        self._write(self.recent_room(memory.index), memory)
        self.note_recent(memory.index)

    def replace_recent(self, memory: Memory) -> None:
        """Corrects a tracked frame that is still remembered; one that is not stays forgotten."""
        room = self._recent_at(memory.index)
        if self._recent[memory.index % NUM_RECENT] == memory.index:
            self.pool.features[room.slot] = memory.features
        if self._recent_pointers[memory.index % NUM_RECENT_POINTERS] == memory.index:
            self.pool.pointers[room.pointer_slot] = memory.pointer

    def choose(self, index: int, max_attended: int | None = None) -> Choice:
        """What this track reads in frame `index`."""
        prompted = self._conditioning.keys()  # one that came back may be among the others still
        recent = {i for i in self._recent if i is not None} - prompted
        recent_pointers = {i for i in self._recent_pointers if i is not None} - prompted
        return choose(index, self.conditioning, recent, recent_pointers, max_attended)

    def slots(self, choice: Choice) -> tuple[list[int], list[int]]:
        """Where in the pool the chosen memories and pointers lie."""
        return (
            [self._room(a.frame).slot for a in choice.memories],
            [self._room(a.frame).pointer_slot for a in choice.pointers],
        )

    def _demote(self, index: int, room: Room) -> None:
        """A frame that conditions no more is a recent one, unless newer frames took that room."""
        pool, there = self.pool, self._recent_at(index)
        if (self._recent[index % NUM_RECENT] or 0) <= index:
            pool.features[there.slot] = pool.features[room.slot]
            self._recent[index % NUM_RECENT] = index
        if (self._recent_pointers[index % NUM_RECENT_POINTERS] or 0) <= index:
            pool.pointers[there.pointer_slot] = pool.pointers[room.pointer_slot]
            self._recent_pointers[index % NUM_RECENT_POINTERS] = index

    def _copy(self, index: int) -> Memory:
        """Of a frame that is remembered, for when its room belongs to another."""
        room = self._room(index)
        features, pointer = self.pool.features[room.slot], self.pool.pointers[room.pointer_slot]
        return Memory(index, features.clone(), pointer.clone())

    def _write(self, room: Room, memory: Memory) -> None:
        self.pool.features[room.slot] = memory.features
        self.pool.pointers[room.pointer_slot] = memory.pointer

    def _forget_recent(self, index: int) -> None:
        self._recent = [None if i == index else i for i in self._recent]
        self._recent_pointers = [None if i == index else i for i in self._recent_pointers]

    def _room(self, index: int) -> Room:
        """Of a frame that is remembered."""
        place = self._conditioning.get(index)
        return self._recent_at(index) if place is None else self._at(place, place)

    def _recent_at(self, index: int) -> Room:
        limit = self.max_conditioning
        return self._at(limit + index % NUM_RECENT, limit + index % NUM_RECENT_POINTERS)

    def _at(self, place: int, pointer_place: int) -> Room:
        """The place of a memory and of a pointer within the berth, in the pool."""
        assert self._berth is not None, "a released bank is not used"
        return Room(self._first.slot + place, self._first.pointer_slot + pointer_place)


def pack(
    banks: Sequence[MemoryBank], choices: Sequence[Choice], frames: Sequence[int] | None = None
) -> Memories:
    """What a batch of tracks reads, one row a track, padded to the longest row.

    frames: which of several frames each track is in, ascending; None: there is one.
    """
    pool = banks[0].pool
    assert all(bank.pool is pool for bank in banks), "tracks of one batch share a pool"
    device = pool.features.device
    slots = [bank.slots(choice) for bank, choice in zip(banks, choices, strict=True)]
    num_memories = max(len(memories) for memories, _ in slots)
    num_pointers = max(len(pointers) for _, pointers in slots)
    is_padded = any((len(m), len(p)) != (num_memories, num_pointers) for m, p in slots)
    memory_slots = send_numbers([_pad(m, num_memories) for m, _ in slots], device)
    pointer_slots = send_numbers([_pad(p, num_pointers) for _, p in slots], device)
    return Memories(
        features=pool.features[memory_slots],
        ages=_ages([c.memories for c in choices], num_memories, device),
        pointers=pool.pointers[pointer_slots.long()],
        pointer_ages=_ages([c.pointers for c in choices], num_pointers, device),
        is_memory=_is_filled([len(m) for m, _ in slots], num_memories, device, is_padded),
        is_pointer=_is_filled([len(p) for _, p in slots], num_pointers, device, is_padded),
        frame=None if frames is None else send_numbers(frames, device),
    )


def _pad(slots: list[int], length: int) -> list[int]:
    """Padding reads slot 0: always finite numbers, and masked."""
    return slots + [0] * (length - len(slots))


def _ages(rows: Sequence[tuple[Attended, ...]], length: int, device: torch.device) -> Tensor:
    ages = [[a.age for a in row] + [0] * (length - len(row)) for row in rows]
    return send_numbers(ages, device).reshape(len(rows), length)


def _is_filled(
    lengths: list[int],
    length: int,
    device: torch.device,
    is_padded: bool,  # noqa: FBT001 a value
) -> Tensor | None:
    if not is_padded:
        return None
    return torch.arange(length, device=device) < send_numbers(lengths, device)[:, None]
