"""MemoryPool: room for the memories of all tracks of a device, taken once."""

import math
import mmap
from typing import NamedTuple

import torch
from torch import Tensor

from sam2_rt.model.config import NUM_RECENT, ModelConfig
from sam2_rt.tracking.memory_policy import NUM_RECENT_POINTERS
from sam2_rt.tracking.transfer import send_numbers

MEMORY_DTYPE = torch.bfloat16  # the official predictor rounds its bank, on every device


class Room(NamedTuple):
    """Where one remembered frame lies in the pool."""

    slot: int
    pointer_slot: int


class PoolFull(Exception):
    """Every berth is taken: no track can begin until another one ends."""


class MemoryPool:
    """Berths, each with room for one track; taken and given back in constant time.

    A berth is reserved whole when its track begins, so that no track runs out of room later.
    """

    def __init__(
        self, config: ModelConfig, num_tracks: int, max_conditioning: int, device: torch.device
    ) -> None:
        """Raises ValueError for no track or no conditioning memory."""
        if num_tracks < 1 or max_conditioning < 1:
            raise ValueError(
                f"a pool for {num_tracks} tracks of {max_conditioning} prompted frames holds none"
            )
        self.num_tracks, self.max_conditioning = num_tracks, max_conditioning
        self.slots_a_track, self.pointers_a_track = _room_of_a_track(max_conditioning)
        side = config.grid
        self.features = _zeros(
            (num_tracks * self.slots_a_track, config.memory_dim, side, side), MEMORY_DTYPE, device
        )
        """[slots, memory_dim, g, g]"""
        self.pointers = _zeros(
            (num_tracks * self.pointers_a_track, config.dim), torch.float32, device
        )
        """[pointer slots, dim]"""
        self._free = list(range(num_tracks - 1, -1, -1))
        self._is_free = [True] * num_tracks

    @property
    def num_free(self) -> int:
        """Tracks that can still begin."""
        return len(self._free)

    @property
    def num_bytes(self) -> int:
        """Of all room, taken or not."""
        return self.features.nbytes + self.pointers.nbytes

    def take(self) -> int:
        """A berth. Raises PoolFull."""
        if not self._free:
            raise PoolFull(
                f"the device has room for {self.num_tracks} tracks, all taken: remove one first"
            )
        berth = self._free.pop()
        self._is_free[berth] = False
        return berth

    def give_back(self, berth: int) -> None:
        """Once for each berth that was taken."""
        assert not self._is_free[berth], f"berth {berth} was given back already"
        self._is_free[berth] = True
        self._free.append(berth)

    def write(self, rooms: list[Room], features: Tensor, pointers: Tensor) -> None:
        """Remembers one frame of each of B tracks: [B, memory_dim, g, g] and [B, dim]"""
        slots, pointer_slots = send_numbers(rooms, self.features.device).unbind(1)
        self.features.index_copy_(0, slots, features.to(MEMORY_DTYPE))
        self.pointers.index_copy_(0, pointer_slots, pointers.float())


def bytes_a_track(config: ModelConfig, max_conditioning: int) -> int:
    """What one berth costs."""
    slots, pointers = _room_of_a_track(max_conditioning)
    memory = config.memory_dim * config.grid**2 * MEMORY_DTYPE.itemsize
    return slots * memory + pointers * config.dim * torch.float32.itemsize


def _room_of_a_track(max_conditioning: int) -> tuple[int, int]:
    """Slots of memories and of pointers."""
    return max_conditioning + NUM_RECENT, max_conditioning + NUM_RECENT_POINTERS


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers that are finite before they are first written, because padding reads and masks them.

    On a CPU a page of an own mapping costs nothing until it is written. torch.zeros writes all
    at once, and calloc clears what it takes from memory that the process kept (host.prepare).
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    room = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(room, dtype=dtype).view(shape)
