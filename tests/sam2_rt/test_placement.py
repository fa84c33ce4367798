import pytest
import torch

from sam2_rt.fault import EngineLost
from sam2_rt.model.packed_conv import PackedConv
from sam2_rt.placement import (
    DEFAULT_TRACKS,
    MAX_POOL_TRACKS,
    POOL_SHARE,
    calls_of,
    check_alive,
    device_of,
    dtype_of,
    pool_of,
    rows_of_a_batch,
    tracks_that_fit,
)
from sam2_rt.tracking.calls import Calls, ShapedCalls
from sam2_rt.tracking.tracker import TrackerConfig
from small_model import small_model


def test_nothing_is_compiled_unless_asked_and_then_weights_are_packed_for_a_cpu():
    packed, plain = small_model(), small_model()
    assert type(calls_of(packed, 0, 4)) is Calls
    assert any(isinstance(module, PackedConv) for module in packed.modules())
    shaped = calls_of(plain, 4, 4)
    assert isinstance(shaped, ShapedCalls)
    assert not any(isinstance(module, PackedConv) for module in plain.modules())
    assert shaped.buckets.counts == (1, 2, 4)


def test_a_batch_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        calls_of(small_model(), 3, 4)


@pytest.mark.parametrize(
    ("device_type", "compiled", "recorded", "rows"),
    [
        ("cpu", 0, 8, 0),
        ("cpu", 4, 8, 4),
        ("cuda", 0, 8, 8),
        ("cuda", 0, 5, 8),
        ("cuda", 0, 1, 1),
        ("cuda", 0, 0, 0),
        ("cuda", 4, 8, 4),
    ],
)
def test_a_gpu_has_batches_made_ready_unasked_and_a_cpu_those_that_are_compiled(
    device_type, compiled, recorded, rows
):
    assert rows_of_a_batch(device_type, compiled, recorded) == rows


GIB = 2**30
TRACK = 5 * 2**20
"""Bytes of a track of tiny at 1024, about."""


@pytest.mark.parametrize(
    ("free", "tracks"),
    [
        (0, 1),
        (TRACK, 1),
        (16 * GIB, int(POOL_SHARE * 16 * GIB / TRACK)),
        (10_000 * GIB, MAX_POOL_TRACKS),
    ],
)
def test_a_gpu_has_room_by_its_free_memory_for_one_track_at_least_and_4096_at_most(free, tracks):
    assert tracks_that_fit(free, TRACK) == tracks
    assert 1 <= tracks <= 4096


@pytest.mark.parametrize(
    ("asked", "max_tracks", "given"), [(None, 16, DEFAULT_TRACKS), (None, 999, 999), (5, 16, 5)]
)
def test_a_cpu_has_room_for_as_many_tracks_as_asked_or_for_one_full_stream(
    asked, max_tracks, given
):
    pool = pool_of(small_model(), TrackerConfig(max_tracks=max_tracks), asked)
    assert pool.num_tracks == pool.num_free == given


def test_types_and_devices_go_by_name():
    cpu = torch.device("cpu")
    assert dtype_of("auto", cpu) == torch.float32
    assert dtype_of("auto", torch.device("cuda")) == torch.bfloat16
    assert dtype_of("bfloat16", cpu) == torch.bfloat16
    assert device_of("cpu") == cpu
    with pytest.raises(ValueError, match="not to be had here"):
        device_of("cuda:77")


def test_a_device_that_answers_no_more_loses_the_engine():
    check_alive(torch.device("cpu"))
    with pytest.raises(EngineLost, match="meta does not answer"):
        check_alive(torch.device("meta"))  # which holds no numbers
