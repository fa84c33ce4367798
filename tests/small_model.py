"""A model small enough to learn within a test."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sam2_rt.model import zoo
from sam2_rt.model.config import NANO, ConvTrunkConfig, ModelConfig
from sam2_rt.model.sam2 import SAM2
from seeded import SMALL_HIERA

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
SMALL_OFFICIAL = ModelConfig(
    SMALL_HIERA, image_size=64, dim=64, memory_dim=16, memory_layers=1, feedforward_dim=64
)
"""Everything as in an official model but the widths and depths."""


def small_model(config: ModelConfig = SMALL) -> SAM2:
    torch.manual_seed(0)
    return SAM2(config)


def small_nano(patch: pytest.MonkeyPatch) -> None:
    """Makes nano of the zoo what a test can afford; without weights."""
    patch.setitem(zoo.MODELS, "nano", zoo.Entry(SMALL, None))
    patch.setattr(zoo, "BUNDLED", Path("none.safetensors"))


def small_official(patch: pytest.MonkeyPatch) -> ModelConfig:
    """Makes sam2.1-hiera-tiny of the zoo what a test can afford: the same parts, narrower."""
    entry = zoo.MODELS["sam2.1-hiera-tiny"]
    patch.setitem(zoo.MODELS, "sam2.1-hiera-tiny", replace(entry, config=SMALL_OFFICIAL))
    return SMALL_OFFICIAL


def write_official(path: Path, config: ModelConfig) -> dict[str, Tensor]:
    """Random weights in a file as the official ones are."""
    weights = small_model(config).state_dict()
    torch.save({"model": weights}, path)
    return weights
