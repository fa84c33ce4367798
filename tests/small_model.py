"""A model small enough to learn within a test."""

from dataclasses import replace

import torch

from sam2_rt.model.config import NANO, ConvTrunkConfig, ModelConfig
from sam2_rt.model.sam2 import SAM2

SMALL = replace(
    NANO,
    trunk=ConvTrunkConfig((8, 16, 32, 32), (1, 1, 1, 1)),
    image_size=64,
    dim=32,
    memory_dim=16,
    feedforward_dim=32,
    attention_dim=16,
    attention_heads=1,
)


def small_model(config: ModelConfig = SMALL) -> SAM2:
    torch.manual_seed(0)
    return SAM2(config)
