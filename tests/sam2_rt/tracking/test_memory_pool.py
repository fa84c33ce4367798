import ctypes
import mmap

import pytest
import torch

from sam2_rt.model.config import TINY, ModelConfig, TrunkConfig
from sam2_rt.tracking.memory_pool import MemoryPool, PoolFull, Room, bytes_a_track

SMALL = ModelConfig(TrunkConfig(16, 1, (1, 1, 1, 1), ()), image_size=32, dim=64, memory_dim=16)
CPU = torch.device("cpu")


def test_each_berth_is_taken_once_and_a_full_pool_says_so():
    pool = MemoryPool(SMALL, 3, 2, CPU)
    assert {pool.take() for _ in range(3)} == {0, 1, 2}
    with pytest.raises(PoolFull, match="room for 3 tracks"):
        pool.take()
    pool.give_back(1)
    assert pool.take() == 1


def test_a_berth_that_is_given_back_twice_is_a_mistake():
    pool = MemoryPool(SMALL, 2, 2, CPU)
    pool.give_back(pool.take())
    with pytest.raises(AssertionError, match="already"):
        pool.give_back(0)


def test_what_is_written_lies_where_it_was_said_to_and_nowhere_else():
    pool = MemoryPool(SMALL, 2, 2, CPU)
    rooms = [Room(3, 17), Room(9, 4)]
    pool.write(
        rooms, torch.stack([torch.full((16, 2, 2), i) for i in (5.0, 6.0)]), torch.ones(2, 64)
    )
    assert pool.features[3].unique().tolist() == [5]
    assert pool.features[9].unique().tolist() == [6]
    assert pool.features.count_nonzero() == 2 * 16 * 4
    assert pool.pointers.any(dim=1).nonzero().flatten().tolist() == [4, 17]


def test_a_track_costs_half_a_mebibyte_a_memory_at_1024():
    config = ModelConfig(TINY)
    assert bytes_a_track(config, 4) == (4 + 6) * 512 * 1024 + (4 + 15) * 256 * 4
    assert MemoryPool(config, 2, 4, CPU).num_bytes == 2 * bytes_a_track(config, 4)


def resident_bytes(tensor: torch.Tensor) -> int:
    """How much of a tensor lies in memory: its own pages alone, whatever else the process holds.

    mincore(2) says it for each page; the set size of the process would also count what other
    tests' threads leave behind.
    """
    first = tensor.data_ptr() // mmap.PAGESIZE * mmap.PAGESIZE
    length = tensor.data_ptr() + tensor.nbytes - first
    pages = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mincore(ctypes.c_void_p(first), ctypes.c_size_t(length), pages):
        raise OSError(ctypes.get_errno(), "mincore refused")
    return sum(page & 1 for page in pages) * mmap.PAGESIZE


def test_room_that_nobody_uses_costs_nothing_on_a_cpu():
    pool = MemoryPool(ModelConfig(TINY), 100, 4, CPU)
    assert pool.num_bytes > 500e6
    assert resident_bytes(pool.features) < 0.01 * pool.features.nbytes
    pool.features[:10] = 1
    assert resident_bytes(pool.features) >= pool.features[:10].nbytes


@pytest.mark.parametrize(("tracks", "conditioning"), [(0, 4), (4, 0)])
def test_a_pool_for_nothing_is_refused(tracks, conditioning):
    with pytest.raises(ValueError, match="holds none"):
        MemoryPool(SMALL, tracks, conditioning, CPU)
