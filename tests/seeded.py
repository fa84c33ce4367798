"""The weight recipe of the golden data: every tensor follows from its key's name alone."""

import re
import zlib

import numpy as np
import torch
from torch import Tensor, nn

from sam2_rt.model.config import TrunkConfig

SMALL_HIERA = TrunkConfig(32, 1, (1, 1, 3, 1), (4,), windows=(8, 4, 8, 4))
"""A trunk of the official kind that a test can afford."""

EMBEDDING = re.compile(
    r"(token|tokens|embed|embeddings\.\d+|not_a_point_embed|no_mask_embed)\.weight$"
)
CODES = {
    "pos_embed",
    "pos_embed_window",
    "maskmem_tpos_enc",
    "no_mem_embed",
    "no_mem_pos_enc",
    "no_obj_ptr",
    "no_obj_embed_spatial",
}
# Without these gains memory and pointers would hardly matter to seeded weights.
GAINS = {
    r"memory_encoder\.mask_downsampler\.encoder\.12\.weight": 4.0,
    r"memory_attention\.layers\.\d+\.cross_attn_image\.out_proj\.weight": 3.0,
    r"memory_attention\.layers\.\d+\.cross_attn_image\.v_proj\.weight": 2.0,
    r"maskmem_tpos_enc": 2.0,
    r"obj_ptr_proj\.layers\.2\.weight": 6.0,
    r"obj_ptr_tpos_proj\.weight": 3.0,
}


def uniform(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """Zero mean, unit variance, the same on every machine."""
    random = np.random.RandomState(zlib.crc32(key.encode()))
    return (random.random_sample(shape) - 0.5) * np.sqrt(12)


def inputs(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(uniform(f"input:{name}", shape).astype(np.float32))


def weight(key: str, shape: tuple[int, ...]) -> Tensor:
    value = torch.from_numpy(_scaled(key, uniform(key, shape)).astype(np.float32))
    for pattern, gain in GAINS.items():
        if re.fullmatch(pattern, key):
            value *= gain
    return value


def _scaled(key: str, u: np.ndarray) -> np.ndarray:
    if key.endswith("positional_encoding_gaussian_matrix"):
        return u
    if key.endswith(".gamma"):
        return 0.5 + 0.1 * u
    if EMBEDDING.search(key) or key.rsplit(".", 1)[-1] in CODES:
        return 0.5 * u
    if key.endswith(".bias"):
        return 0.05 * u
    if u.ndim == 1:
        return 1 + 0.1 * u
    return u / np.sqrt(np.prod(u.shape[1:]))


def seed_(model: nn.Module) -> nn.Module:
    """Fills a model with seeded weights and sets it to evaluate."""
    state = {key: weight(key, tuple(value.shape)) for key, value in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()
