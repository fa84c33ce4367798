"""Attention: torch's kernels for it, side by side, `sam2-rt bench --attention`."""

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from sam2_rt.bench.stages import Timer
from sam2_rt.model.config import ModelConfig
from sam2_rt.tracking.buckets import Buckets, Shape
from sam2_rt.tracking.tracker import TrackerConfig

BACKENDS: Final = {
    "math": SDPBackend.MATH,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}
OWN_CHOICE: Final = "torch's choice"


class Inputs(NamedTuple):
    """Of one call."""

    query: Tensor
    """[B, heads, places, width]"""
    keys: Tensor
    """[B, heads, places of all memories and pointers, width]; values are as large"""
    mask: Tensor | None
    """[B, 1, 1, ...]: which of them there are; None: all"""


def attention_inputs(
    config: ModelConfig, tracks: int, timer: Timer, dtype: torch.dtype
) -> dict[str, Inputs]:
    """Of the calls of one layer of memory attention, by name, with made-up numbers.

    A steady bank is full; any bank has room for more prompted frames, which a mask hides.
    """
    places, heads = config.grid**2, config.attention_heads
    width = (config.attention_dim or config.dim) // heads
    split = config.dim // config.memory_dim

    def numbers(count: int) -> Tensor:
        return torch.randn(tracks, heads, count, width, device=timer.device).to(dtype)

    def keys(shape: Shape) -> int:
        return shape.memories * places + shape.pointers * split

    steady, any_bank = Buckets(1, TrackerConfig().max_conditioning).shapes
    mask = torch.arange(keys(any_bank), device=timer.device) < keys(steady)
    return {
        "the frame itself": Inputs(numbers(places), numbers(places), None),
        "a steady bank": Inputs(numbers(places), numbers(keys(steady)), None),
        "any bank, masked": Inputs(
            numbers(places), numbers(keys(any_bank)), mask.expand(tracks, 1, 1, -1)
        ),
    }


def time_attention(
    inputs: Mapping[str, Inputs], timer: Timer
) -> dict[str, dict[str, float | None]]:
    """Median milliseconds by call and kernel; None: a kernel does not take such a call."""
    kernels: dict[str, SDPBackend | None] = {OWN_CHOICE: None, **BACKENDS}
    return {
        name: {word: _time(one, kernel, timer) for word, kernel in kernels.items()}
        for name, one in inputs.items()
    }


def _attend(inputs: Inputs) -> Tensor:
    query, keys, mask = inputs
    return F.scaled_dot_product_attention(query, keys, keys, attn_mask=mask)


def _time(inputs: Inputs, kernel: SDPBackend | None, timer: Timer) -> float | None:
    with nullcontext() if kernel is None else sdpa_kernel(kernel):
        try:
            _attend(inputs)
        except RuntimeError:  # torch's word for a kernel that is not for this device, type or mask
            return None
        return timer.median_ms(partial(_attend, inputs))
