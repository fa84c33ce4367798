"""Prompt encoder: points, boxes (as two corner points) and masks become tokens and a dense map."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_rt.model.layers import LayerNorm2d

NOT_A_POINT, NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT = -1, 0, 1, 2, 3
NUM_MAPS = 3  # positive clicks, negative clicks, the inside of a box
CLICK_SIGMA = 0.03  # of a drawn click, of the picture's side
MAP_SCALE = 10.0  # a drawn map is as bright as a confident mask is


class PromptEncoder(nn.Module):
    """Encodes what a user said about each row of a batch."""

    def __init__(self, dim: int, *, draws_maps: bool = False) -> None:
        super().__init__()
        self.draws_maps = draws_maps
        maps = 1 + NUM_MAPS if draws_maps else 1
        self.pe_layer = RandomPosition(dim)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.no_mask_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(maps, 4 * maps, kernel_size=2, stride=2),
            LayerNorm2d(4 * maps),
            nn.GELU(),
            nn.Conv2d(4 * maps, 16 * maps, kernel_size=2, stride=2),
            LayerNorm2d(16 * maps),
            nn.GELU(),
            nn.Conv2d(16 * maps, dim, kernel_size=1),
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

    def encode_dense(self, mask_logits: Tensor | None, maps: Tensor | None, side: int) -> Tensor:
        """The mask so far [B, 1, 4g, 4g] and drawn prompts [B, 3, 4g, 4g] -> [B or 1, dim, g, g]"""
        given = [x for x in (mask_logits, maps) if x is not None]
        if not given:
            return self.no_mask(side)
        if self.draws_maps:  # what was not given is blank
            batch, _, height, width = given[0].shape
            shapes = ((batch, channels, height, width) for channels in (1, NUM_MAPS))
            given = [
                given[0].new_zeros(shape) if x is None else x
                for x, shape in zip((mask_logits, maps), shapes, strict=True)
            ]
        dense = torch.cat(given, dim=1)
        return self.mask_downscaling(dense.to(self.no_mask_embed.weight.dtype))

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


def draw_maps(points: Tensor, labels: Tensor, side: int) -> Tensor:
    """points [B, P, 2] (x, y) in 0..1, labels [B, P] -> [B, 3, side, side] in 0..MAP_SCALE

    A click is a soft disk; a box is its inside, with an edge one cell wide.
    """
    axis = (torch.arange(side, device=points.device, dtype=torch.float32) + 0.5) / side
    offset_x, offset_y = (axis - points[..., i, None].float() for i in (0, 1))  # [B, P, side]
    disk_x, disk_y = ((-(d**2) / (2 * CLICK_SIGMA**2)).exp() for d in (offset_x, offset_y))
    disks = disk_y[..., :, None] * disk_x[..., None, :]
    clicks = (
        (disks * (labels == label)[..., None, None]).amax(dim=1) for label in (POSITIVE, NEGATIVE)
    )
    inside_x, inside_y = (_between_corners(d, labels) for d in (offset_x, offset_y))
    return MAP_SCALE * torch.stack([*clicks, inside_y[:, :, None] * inside_x[:, None, :]], dim=1)


def _between_corners(offset: Tensor, labels: Tensor) -> Tensor:
    """offset [B, P, side] of each cell from each point -> [B, side], 1 between a box's corners"""
    after = (offset * offset.shape[-1] + 0.5).clamp(0, 1)
    first, last = ((labels == corner)[..., None] for corner in (TOP_LEFT, BOTTOM_RIGHT))
    return (after * first).amax(dim=1) * ((1 - after) * last).amax(dim=1)


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
