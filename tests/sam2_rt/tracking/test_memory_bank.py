import pytest
import torch

from sam2_rt.model.config import ModelConfig, TrunkConfig
from sam2_rt.tracking.memory_bank import Memory, MemoryBank, pack
from sam2_rt.tracking.memory_pool import MemoryPool

SMALL = ModelConfig(TrunkConfig(16, 1, (1, 1, 1, 1), ()), image_size=32, dim=64, memory_dim=16)
CPU = torch.device("cpu")


def memory(index: int) -> Memory:
    """Filled with its own frame number, which bfloat16 holds exactly."""
    return Memory(index, torch.full((16, 2, 2), float(index)), torch.full((64,), float(index)))


def bank_of(
    num_frames: int,
    conditioning: tuple[int, ...] = (0,),
    limit: int = 3,
    pool: MemoryPool | None = None,
) -> MemoryBank:
    bank = MemoryBank(pool or MemoryPool(SMALL, 1, limit, CPU))
    for index in range(num_frames):
        if index in conditioning:
            bank.condition(memory(index))
        else:
            bank.add_recent(memory(index))
    return bank


@pytest.mark.parametrize("index", [1, 5, 7, 30, 200])
def test_what_is_chosen_is_what_is_read(index: int):
    bank = bank_of(index, conditioning=(0, 4))
    choice = bank.choose(index)
    memories = pack([bank], [choice])
    assert memories.features[0, :, 0, 0, 0].tolist() == [a.frame for a in choice.memories]
    assert memories.pointers[0, :, 0].tolist() == [a.frame for a in choice.pointers]
    assert memories.ages[0].tolist() == [a.age for a in choice.memories]
    assert memories.pointer_ages[0].tolist() == [a.age for a in choice.pointers]
    assert memories.is_memory is memories.is_pointer is None


def test_the_room_is_made_once():
    bank = bank_of(1)
    pool = bank.pool
    before, pointers_before = pool.features.data_ptr(), pool.pointers.data_ptr()
    for index in range(1, 500):
        bank.add_recent(memory(index))
    assert (pool.features.data_ptr(), pool.pointers.data_ptr()) == (before, pointers_before)
    choice = bank.choose(500)
    assert (len(choice.memories), len(choice.pointers)) == (1 + 6, 1 + 15)


def test_the_first_prompted_frame_is_kept_and_the_oldest_other_leaves():
    bank = bank_of(10, conditioning=(0, 2, 5, 7), limit=3)
    assert set(bank.conditioning) == {0, 5, 7}
    assert {a.frame for a in bank.choose(30).memories} == {0, 5, 7}


def test_a_frame_that_conditions_no_more_is_still_a_recent_one():
    bank = bank_of(12, conditioning=tuple(range(5, 12)), limit=3)
    assert set(bank.conditioning) == {5, 10, 11}
    choice = bank.choose(12)
    assert [tuple(a) for a in choice.memories if a.age] == [(6, 6), (7, 5), (8, 4), (9, 3)]
    packed = pack([bank], [choice])
    assert packed.features[0, :, 0, 0, 0].tolist() == [a.frame for a in choice.memories]


def test_a_corrected_frame_becomes_conditioning_and_is_no_recent_one():
    bank = bank_of(6)
    bank.condition(memory(4))
    assert [tuple(a) for a in bank.choose(6).memories] == [
        (0, 0), (4, 0), (1, 5), (2, 4), (3, 3), (5, 1),
    ]  # fmt: skip


def test_prompting_a_conditioning_frame_again_replaces_its_memory():
    bank = bank_of(3)
    bank.condition(Memory(0, torch.full((16, 2, 2), 77.0), torch.full((64,), 77.0)))
    assert bank.conditioning == (0,)
    assert pack([bank], [bank.choose(3)]).features[0, 0].unique().item() == 77


def test_a_replaced_recent_memory_is_read_and_a_forgotten_one_stays_forgotten():
    bank = bank_of(10)
    changed = Memory(9, torch.full((16, 2, 2), 77.0), torch.full((64,), 77.0))
    bank.replace_recent(changed)
    packed = pack([bank], [bank.choose(10)])
    assert packed.features[0, -1].unique().item() == 77
    assert packed.pointers[0, 1].unique().item() == 77
    bank.replace_recent(Memory(3, changed.features, changed.pointer))  # 9 lies where 3 lay
    assert pack([bank], [bank.choose(10)]).ages[0].tolist() == [0, 6, 5, 4, 3, 2, 1]


def test_rows_of_different_ages_are_padded_and_say_so():
    pool = MemoryPool(SMALL, 2, 3, CPU)
    banks = [bank_of(1, pool=pool), bank_of(9, pool=pool)]
    memories = pack(banks, [bank.choose(9) for bank in banks])
    assert memories.features.shape[:2] == (2, 7)
    assert memories.is_memory is not None
    assert memories.is_memory.sum(1).tolist() == [1, 7]
    assert memories.is_pointer is not None
    assert memories.is_pointer.sum(1).tolist() == [1, 9]


def test_banks_of_one_pool_do_not_touch_each_other():
    pool = MemoryPool(SMALL, 2, 3, CPU)
    first, second = bank_of(1, pool=pool), bank_of(1, pool=pool)
    before = pack([first], [first.choose(9)])
    for index in range(1, 40):
        second.add_recent(memory(index + 100))
        second.condition(memory(index + 200))
    after = pack([first], [first.choose(9)])
    assert torch.equal(before.features, after.features)
    assert torch.equal(before.pointers, after.pointers)


def test_tracks_of_two_pools_are_no_batch():
    banks = [bank_of(3), bank_of(3)]
    with pytest.raises(AssertionError, match="share a pool"):
        pack(banks, [bank.choose(3) for bank in banks])


def test_a_released_bank_is_not_used_and_its_berth_begins_another():
    pool = MemoryPool(SMALL, 1, 3, CPU)
    bank = bank_of(3, pool=pool)
    bank.release()
    bank.release()
    assert pool.num_free == 1
    with pytest.raises(AssertionError, match="released"):
        bank.add_recent(memory(4))
    assert bank_of(1, pool=pool).choose(2).memories[0].frame == 0
