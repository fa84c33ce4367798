"""MemoryBank: what one track remembers, within a bound. Memory is bounded here and nowhere else."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam2_rt.model.config import NUM_RECENT, ModelConfig
from sam2_rt.model.sam2 import Memories
from sam2_rt.tracking.memory_policy import NUM_RECENT_POINTERS, Attended, Choice, choose, surplus

MEMORY_DTYPE = torch.bfloat16  # the official predictor rounds its bank, on every device


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """One remembered frame of one track."""

    index: int
    features: Tensor
    """[memory_dim, g, g]"""
    pointer: Tensor
    """[dim]"""


class MemoryBank:
    """Preallocated room for C conditioning and 6 recent memories and for their pointers.

    Recent memories live at their frame number modulo the room: when a seventh comes, the first is
    too old to be read.
    """

    def __init__(self, config: ModelConfig, max_conditioning: int, device: torch.device) -> None:
        assert max_conditioning >= 1, f"{max_conditioning} conditioning memories hold no track"
        self.max_conditioning = max_conditioning
        side, dim = config.grid, config.dim
        self.features = torch.zeros(
            max_conditioning + NUM_RECENT,
            config.memory_dim,
            side,
            side,
            dtype=MEMORY_DTYPE,
            device=device,
        )
        self.pointers = torch.zeros(max_conditioning + NUM_RECENT_POINTERS, dim, device=device)
        self._conditioning: dict[int, int] = {}  # frame -> slot, in order of arrival
        self._recent: list[int | None] = [None] * NUM_RECENT  # frame of each slot
        self._recent_pointers: list[int | None] = [None] * NUM_RECENT_POINTERS

    @property
    def num_bytes(self) -> int:
        """Size of the room, full or empty."""
        return self.features.nbytes + self.pointers.nbytes

    @property
    def conditioning(self) -> tuple[int, ...]:
        """Frames whose memories come from prompts, in order of arrival."""
        return tuple(self._conditioning)

    def condition(self, memory: Memory) -> None:
        """Remembers a prompted frame; at the bound the oldest but the first leaves."""
        self._forget_recent(memory.index)
        slot = self._conditioning.get(memory.index)
        if slot is None:
            leaving = surplus(self.conditioning, self.max_conditioning)
            if leaving is not None:
                slot = self._conditioning.pop(leaving)
                self._demote(leaving, slot)
            else:
                slot = min(set(range(self.max_conditioning)) - set(self._conditioning.values()))
            self._conditioning[memory.index] = slot
        self.features[slot] = memory.features
        self.pointers[slot] = memory.pointer

    def add_recent(self, memory: Memory) -> None:
        """Remembers a tracked frame; the one that falls out of reach gives its room."""
        self.features[self._recent_slot(memory.index)] = memory.features
        self.pointers[self._pointer_slot(memory.index)] = memory.pointer
        self._recent[memory.index % NUM_RECENT] = memory.index
        self._recent_pointers[memory.index % NUM_RECENT_POINTERS] = memory.index

    def replace_recent(self, memory: Memory) -> None:
        """Corrects a tracked frame that is still remembered; one that is not stays forgotten."""
        if self._recent[memory.index % NUM_RECENT] == memory.index:
            self.features[self._recent_slot(memory.index)] = memory.features
        if self._recent_pointers[memory.index % NUM_RECENT_POINTERS] == memory.index:
            self.pointers[self._pointer_slot(memory.index)] = memory.pointer

    def choose(self, index: int, max_attended: int | None = None) -> Choice:
        """What this track reads in frame `index`."""
        recent = {i for i in self._recent if i is not None}
        recent_pointers = {i for i in self._recent_pointers if i is not None}
        return choose(index, self.conditioning, recent, recent_pointers, max_attended)

    def slots(self, choice: Choice) -> tuple[list[int], list[int]]:
        """Where the chosen memories and pointers lie in `features` and `pointers`."""
        memories = [self._conditioning.get(i, self._recent_slot(i)) for i, _ in choice.memories]
        pointers = [self._conditioning.get(i, self._pointer_slot(i)) for i, _ in choice.pointers]
        return memories, pointers

    def _demote(self, index: int, slot: int) -> None:
        """A frame that conditions no more is a recent one, unless newer frames took that room."""
        memory = Memory(index, self.features[slot], self.pointers[slot])
        if (self._recent[index % NUM_RECENT] or 0) <= index:
            self.features[self._recent_slot(index)] = memory.features
            self._recent[index % NUM_RECENT] = index
        if (self._recent_pointers[index % NUM_RECENT_POINTERS] or 0) <= index:
            self.pointers[self._pointer_slot(index)] = memory.pointer
            self._recent_pointers[index % NUM_RECENT_POINTERS] = index

    def _forget_recent(self, index: int) -> None:
        self._recent = [None if i == index else i for i in self._recent]
        self._recent_pointers = [None if i == index else i for i in self._recent_pointers]

    def _recent_slot(self, index: int) -> int:
        return self.max_conditioning + index % NUM_RECENT

    def _pointer_slot(self, index: int) -> int:
        return self.max_conditioning + index % NUM_RECENT_POINTERS


def pack(banks: Sequence[MemoryBank], choices: Sequence[Choice]) -> Memories:
    """What a batch of tracks reads, one row a track, padded to the longest row."""
    device = banks[0].features.device
    slots = [bank.slots(choice) for bank, choice in zip(banks, choices, strict=True)]
    num_memories = max(len(memories) for memories, _ in slots)
    num_pointers = max(len(pointers) for _, pointers in slots)
    is_padded = any((len(m), len(p)) != (num_memories, num_pointers) for m, p in slots)
    rows = list(zip(banks, slots, strict=True))
    return Memories(
        features=torch.stack([b.features[_pad(m, num_memories)] for b, (m, _) in rows]),
        ages=_ages([c.memories for c in choices], num_memories, device),
        pointers=torch.stack([b.pointers[_pad(p, num_pointers)] for b, (_, p) in rows]),
        pointer_ages=_ages([c.pointers for c in choices], num_pointers, device),
        is_memory=_is_filled([len(m) for m, _ in slots], num_memories, device, is_padded),
        is_pointer=_is_filled([len(p) for _, p in slots], num_pointers, device, is_padded),
    )


def _pad(slots: list[int], length: int) -> list[int]:
    """Padding reads slot 0: always a finite number, and masked."""
    return slots + [0] * (length - len(slots))


def _ages(rows: Sequence[tuple[Attended, ...]], length: int, device: torch.device) -> Tensor:
    ages = [[a.age for a in row] + [0] * (length - len(row)) for row in rows]
    return torch.tensor(ages, device=device).reshape(len(rows), length)


def _is_filled(
    lengths: list[int],
    length: int,
    device: torch.device,
    is_padded: bool,  # noqa: FBT001 a value
) -> Tensor | None:
    if not is_padded:
        return None
    return torch.arange(length, device=device) < torch.tensor(lengths, device=device)[:, None]
