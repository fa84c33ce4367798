import time

import pytest
import torch

from sam2_rt.stopwatch import Stopwatch


def test_it_runs_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch):
    times = iter([10.0, 10.25, 99.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    watch = Stopwatch(torch.device("cpu"))
    watch.stop()
    assert watch.seconds() == watch.seconds() == pytest.approx(0.25)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_it_is_the_gpu_s_time_and_nothing_waits():
    large = torch.ones(8192, 8192, device="cuda")
    large @ large  # libraries are loaded
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        watch = Stopwatch(large.device)
        product = large @ large
        watch.stop()
        watch.seconds()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    product[0, 0].item()
    assert watch.seconds() > 0
