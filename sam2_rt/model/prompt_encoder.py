"""Prompt encoder: points, boxes (as two corner points) and masks become tokens and a dense map."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_rt.model.layers import LayerNorm2d

NOT_A_POINT, NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT = -1, 0, 1, 2, 3


class PromptEncoder(nn.Module):
    """Encodes what a user said about each row of a batch."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pe_layer = RandomPosition(dim)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.no_mask_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=2, stride=2),
            LayerNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 16, kernel_size=2, stride=2),
            LayerNorm2d(16),
            nn.GELU(),
            nn.Conv2d(16, dim, kernel_size=1),
        )

    def encode_points(self, points: Tensor, labels: Tensor, image_size: int) -> Tensor:
        """points [B, P, 2] (x, y) in pixels of the input, labels [B, P] -> [B, P + 1, dim]

        One padding point is always added: the weights were trained with it.
        """
        points = F.pad(points + 0.5, (0, 0, 0, 1)) / image_size  # pixel centres
        labels = F.pad(labels, (0, 1), value=NOT_A_POINT)[..., None]
        tokens: Tensor = self.pe_layer(points).to(self.not_a_point_embed.weight.dtype)
        for label, embedding in enumerate(self.point_embeddings.parameters()):
            tokens = torch.where(labels == label, tokens + embedding, tokens)
        return torch.where(labels == NOT_A_POINT, self.not_a_point_embed.weight, tokens)

    def encode_mask(self, mask_logits: Tensor) -> Tensor:
        """[B, 1, 4g, 4g] -> [B, dim, g, g]"""
        return self.mask_downscaling(mask_logits)

    def no_mask(self, side: int) -> Tensor:
        """What stands for "no mask": [1, dim, side, side]"""
        return self.no_mask_embed.weight[:, :, None, None].expand(-1, -1, side, side)

    def grid_position(self, side: int) -> Tensor:
        """Position of the feature map's cells: [1, dim, side, side]"""
        weight = self.no_mask_embed.weight
        axis = (torch.arange(side, device=weight.device, dtype=torch.float32) + 0.5) / side
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        position: Tensor = self.pe_layer(torch.stack([x, y], dim=-1))
        return position.permute(2, 0, 1)[None].to(weight.dtype)


class RandomPosition(nn.Module):
    """Random Fourier features of a place (Tancik et al., 2020); checkpoints hold them."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, dim // 2))

    def forward(self, places: Tensor) -> Tensor:
        """[..., 2] (x, y) in 0..1 -> [..., dim]; computed in float32"""
        frequencies = self.positional_encoding_gaussian_matrix
        phase = 2 * math.pi * ((2 * places.float() - 1) @ frequencies.float())
        return torch.cat([phase.sin(), phase.cos()], dim=-1)
