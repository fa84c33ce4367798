"""Limit: how near each stage is to what the device can do, `sam2-rt bench --limit`.

Operations are counted, not estimated; what the device can do is measured with one large product.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count, sdpa_flop_count

from sam2_rt.bench.stages import STEP, Call, Timer
from sam2_rt.model.sam2 import SAM2

SIDES: Final = {"cpu": (1024, 2048), "cuda": (4096, 8192)}
"""Of the square matrices whose product tells what a device can do: the fastest counts."""
TRIES: Final = 5


class Limit(NamedTuple):
    """Of one stage."""

    gflop: float
    """Billions of operations; a product of two numbers and its sum are two."""
    ms: float
    """Measured."""
    share: float
    """Of the rate that a large product of matrices reaches in the same type."""


def limits(
    model: SAM2,
    calls: Mapping[str, Call],
    stages_ms: Mapping[str, float],
    step_ms: float,
    timer: Timer,
) -> dict[str, Limit]:
    """Of each stage, and of the whole step with a full bank, which knows no type of its own."""
    types = dict.fromkeys(calls, model.dtype) | {"decoder": model.no_obj_ptr.dtype}
    rates = {dtype: matrix_rate(timer, dtype) for dtype in {*types.values()}}
    counts = {name: count_flops(call) for name, call in calls.items()}
    found = {
        name: _limit(counts[name], stages_ms[name], counts[name] / rates[types[name]])
        for name in calls
    }
    least_s = sum(counts[name] / rates[types[name]] for name in STEP)
    return found | {"whole step": _limit(sum(counts[name] for name in STEP), step_ms, least_s)}


def _limit(flops: int, ms: float, least_s: float) -> Limit:
    return Limit(flops / 1e9, ms, 1e3 * least_s / ms)


def count_flops(call: Call) -> int:
    """Of products and convolutions; what is done to single numbers is not counted."""
    # The kernels of a CPU are not in torch's own list (2.13); these are their only names.
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001
    convolution = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001
    on_cpu = {attention: _attention_flops, convolution: _convolution_flops}
    # In inference mode some products reach the counter whole and uncounted.
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        FlopCounterMode(display=False, custom_mapping=on_cpu) as counter,
    ):
        call()
    return int(counter.get_total_flops())


def _attention_flops(
    query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
) -> int:
    return int(sdpa_flop_count(query, key, value))


def _convolution_flops(
    x: torch.Size, weight: torch.Size, *_: object, out_shape: torch.Size, **__: object
) -> int:
    return int(conv_flop_count(list(x), list(weight), list(out_shape)))


def matrix_rate(timer: Timer, dtype: torch.dtype) -> float:
    """Operations a second of a product of two large square matrices: the best of some."""
    return max(_rate(side, timer, dtype) for side in SIDES[timer.device.type])


def _rate(side: int, timer: Timer, dtype: torch.dtype) -> float:
    a, b = (torch.randn(side, side, device=timer.device).to(dtype) for _ in range(2))
    torch.matmul(a, b)
    seconds = []
    for _ in range(TRIES):
        start = timer.now()
        torch.matmul(a, b)
        seconds.append(timer.now() - start)
    return 2 * side**3 / min(seconds)
