"""Memory attention: conditions a frame's feature on what a track remembers, with axial RoPE."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_rt.model.config import ModelConfig
from sam2_rt.model.layers import axial_rotation, rotate


class MemoryTokens(NamedTuple):
    """The keys and values of a batch of tracks: spatial tokens first, then those of pointers."""

    tokens: Tensor
    """[B, M * N + P, memory_dim], for M memories of N places and P pointer tokens."""
    position: Tensor
    """Like tokens; added to keys, never to values."""
    num_pointer_tokens: int
    """P: they have no place, so they are not rotated."""
    is_valid: Tensor | None
    """[B, M * N + P] bool; None when no track's bank is padded."""
    frame: Tensor | None = None
    """[B], ascending: which of F frames each row is in; None: one frame for all, or one each."""

    def rows(self, x: Tensor) -> Tensor:
        """What is known of F frames, once for each row; one frame for all stays one."""
        is_shared = self.frame is not None and 1 < len(x) < len(self.tokens)
        return x[self.frame] if is_shared else x


class MemoryAttention(nn.Module):
    """A stack of self-attention over the frame and cross-attention into the memories."""

    angles: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MemoryAttentionLayer(config) for _ in range(config.memory_layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.rotary_dim = config.rotary_dim
        # Of the last size; a buffer, so that a compiled graph finds it by name.
        self.register_buffer("angles", torch.zeros(0, 0, 2), persistent=False)

    def forward(self, feature: Tensor, position: Tensor, memories: MemoryTokens) -> Tensor:
        """feature [F or B, N, dim], position [N, dim] (sine), memories of B -> [B, N, dim]

        A frame that several rows are in is looked at once until they look into their memories.
        """
        x = feature + 0.1 * position
        rotation = self.rotation(feature)
        for layer in self.layers:
            x = layer(x, memories, rotation)
        return self.norm(x)

    def rotation(self, feature: Tensor) -> Tensor:
        """The rotary angles of the feature's square grid, made anew when its size changes.

        feature [..., N, dim] -> [N, rotary_dim / 2, 2]
        """
        num_places = feature.shape[-2]
        if len(self.angles) != num_places or self.angles.device != feature.device:
            side = round(num_places**0.5)
            assert side * side == num_places, f"{num_places} places are no square grid"
            with torch.inference_mode(mode=False):  # training may come next and needs it
                self.angles = axial_rotation(self.rotary_dim, side, feature.device)
        return self.angles


class MemoryAttentionLayer(nn.Module):
    """Pre-norm: self-attention, cross-attention, feed-forward."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        self.self_attn = RotaryAttention(config, dim)
        self.cross_attn_image = RotaryAttention(config, config.memory_dim)
        self.linear1 = nn.Linear(dim, config.feedforward_dim)
        self.linear2 = nn.Linear(config.feedforward_dim, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, memories: MemoryTokens, rotation: Tensor) -> Tensor:
        """x [F or B, N, dim] -> [B, N, dim]"""
        x = memories.rows(x + self.self_attn.over_frame(self.norm1(x), rotation))
        x = x + self.cross_attn_image.over_memories(self.norm2(x), memories, rotation)
        return x + self.linear2(F.relu(self.linear1(self.norm3(x))))


class RotaryAttention(nn.Module):
    """Queries and spatial keys turn with their place in the grid; one head in official models."""

    def __init__(self, config: ModelConfig, kv_dim: int) -> None:
        super().__init__()
        dim, inner = config.dim, config.attention_dim or config.dim
        self.num_heads = config.attention_heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(kv_dim, inner)
        self.v_proj = nn.Linear(kv_dim, inner)
        self.out_proj = nn.Linear(inner, dim)

    def over_frame(self, x: Tensor, rotation: Tensor) -> Tensor:
        """x [B, N, dim] attends to itself."""
        q, k = (rotate(self._heads(proj(x)), rotation) for proj in (self.q_proj, self.k_proj))
        return self._attend(q, k, self._heads(self.v_proj(x)), None)

    def over_memories(self, x: Tensor, memories: MemoryTokens, rotation: Tensor) -> Tensor:
        """x [1 or B, N, dim] attends to all memories, whose grids are rotated like the frame's."""
        q = rotate(self._heads(self.q_proj(x)), rotation).expand(len(memories.tokens), -1, -1, -1)
        k = self._heads(self.k_proj(memories.tokens + memories.position))
        num_spatial = k.shape[2] - memories.num_pointer_tokens
        spatial = rotate(k[:, :, :num_spatial].unflatten(2, (-1, x.shape[1])), rotation)
        k = torch.cat([spatial.flatten(2, 3), k[:, :, num_spatial:]], dim=2)
        return self._attend(q, k, self._heads(self.v_proj(memories.tokens)), memories.is_valid)

    def _heads(self, x: Tensor) -> Tensor:
        """[B, N, inner] -> [B, heads, N, inner / heads]"""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, is_valid: Tensor | None) -> Tensor:
        mask = None if is_valid is None else is_valid[:, None, None, :]
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.out_proj(x.transpose(1, 2).flatten(2))
