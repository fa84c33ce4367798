import pytest
import torch

from sam2_rt.bench.limit import SIDES, count_flops, limits, matrix_rate
from sam2_rt.bench.stages import ATTENTION, STEP, Timer, stages
from sam2_rt.model import zoo
from sam2_rt.model.packed_conv import PackedConv

TIMER = Timer(torch.device("cpu"))


@pytest.fixture(autouse=True)
def _small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIDES, "cpu", (64, 128))


def test_a_product_is_counted_with_its_sums():
    a, b = torch.randn(8, 16), torch.randn(16, 4)
    assert count_flops(lambda: a @ b) == 2 * 8 * 16 * 4


@pytest.mark.parametrize("mask", [None, torch.ones(2, 1, 1, 64, dtype=torch.bool)])
def test_attention_is_counted_on_a_cpu_too(mask: torch.Tensor | None):
    q, k = torch.randn(2, 3, 32, 8), torch.randn(2, 3, 64, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    assert count_flops(lambda: attend(q, k, k, attn_mask=mask)) == 2 * (2 * 2 * 3 * 32 * 64 * 8)


@torch.inference_mode()
def test_a_packed_convolution_is_counted_as_the_plain_one():
    x, conv = torch.randn(2, 16, 10, 10), torch.nn.Conv2d(16, 8, 3, padding=1)
    packed = PackedConv(conv)
    assert count_flops(lambda: conv(x)) == 2 * (2 * 100 * 8 * 16 * 9)
    assert count_flops(lambda: packed(x)) == 2 * (2 * 100 * 8 * 16 * 9)


def test_operations_are_counted_of_models_that_run_in_inference_mode():
    layer = torch.nn.Linear(16, 4)
    with torch.inference_mode():
        x = torch.randn(8, 16)
        assert count_flops(lambda: layer(x)) == 2 * 8 * 16 * 4


def test_memory_attention_takes_the_operations_that_its_sizes_say():
    """Two layers of nano: of 4 x 4 places, to themselves and to seven memories and pointers."""
    model = zoo.build("nano", 64)
    config = model.config
    places, inner, dim = config.grid**2, config.attention_dim or 0, config.dim
    keys = 7 * places + 16 * dim // config.memory_dim
    to_self = 4 * places * dim * inner + 2 * places * places * inner
    to_memories = 2 * places * dim * inner + 2 * keys * config.memory_dim * inner
    to_memories += 2 * places * keys * inner
    feedforward = 2 * places * dim * config.feedforward_dim
    with torch.inference_mode():
        counted = count_flops(stages(model, 1)[ATTENTION])
    assert counted >= 2 * 2 * (to_self + to_memories + feedforward)
    assert counted <= 2.1 * 2 * (to_self + to_memories + feedforward)


def test_the_share_is_what_a_large_product_would_have_taken():
    model = zoo.build("nano", 64)
    with torch.inference_mode():
        calls = stages(model, 1)
        found = limits(model, calls, dict.fromkeys(calls, 10.0), 100.0, TIMER)
    whole = found.pop("whole step")
    assert all(one.ms == 10 and one.share > 0 for one in found.values())
    assert whole.gflop == pytest.approx(sum(found[name].gflop for name in STEP))
    assert whole.share == pytest.approx(sum(found[name].share for name in STEP) / 10)


def test_a_rate_is_positive_in_every_type():
    assert all(matrix_rate(TIMER, dtype) > 0 for dtype in (torch.float32, torch.bfloat16))
