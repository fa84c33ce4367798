import time

import pytest
import torch

from sam2_rt.bench.stages import ATTENTION, STEP, Timer, memories, stages, time_stages
from sam2_rt.model import zoo


def test_the_stages_are_the_models_calls():
    with torch.inference_mode():
        calls = stages(zoo.build("nano", 64), tracks=1)
        times = time_stages(calls, Timer(torch.device("cpu")))
    assert list(times) == [
        "encoder",
        "memory attention, 1 memory",
        "memory attention, 7 memories",
        "decoder",
        "memory encoder",
    ]
    assert all(ms > 0 for ms in times.values())
    assert set(STEP) < set(times)
    assert ATTENTION in STEP


def test_a_full_bank_has_memories_and_pointers_for_every_track():
    bank = memories(zoo.build("nano", 64), 3, 7, 16)
    assert bank.features.shape[:2] == bank.ages.shape == (3, 7)
    assert bank.pointers.shape[:2] == bank.pointer_ages.shape == (3, 16)


def test_a_timer_counts_the_wall_s_seconds_or_the_processor_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(time, "process_time", lambda: 1.0)
    monkeypatch.setattr(time, "perf_counter", lambda: 2.0)
    device = torch.device("cpu")
    assert Timer(device).now() == 2
    assert Timer(device, counts_processor=True).now() == 1
