"""Image encoder: the trunk and a feature pyramid. Runs once a frame, whatever is tracked."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from sam2_rt.model.config import PATCH_STRIDE, ConvTrunkConfig, TrunkConfig
from sam2_rt.model.conv_trunk import ConvTrunk
from sam2_rt.model.layers import MLP

WINDOW_EMBED_SIDE = (
    8  # of `pos_embed_window`: tiled over the stride-4 grid, hence "divisible by 32"
)


class ImageEncoder(nn.Module):
    """Trunk and neck under the official key names."""

    def __init__(self, config: TrunkConfig | ConvTrunkConfig, dim: int) -> None:
        super().__init__()
        self.trunk = Hiera(config) if isinstance(config, TrunkConfig) else ConvTrunk(config)
        self.neck = FeaturePyramid(config.channels, dim)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """pixels [B, 3, S, S] -> maps of `dim` channels at strides 4, 8 and 16"""
        return self.neck(self.trunk(pixels))


class KeptPosition(NamedTuple):
    """A position embedding, and the weights and the size that it was made from."""

    side: int
    background: Tensor
    window: Tensor
    position: Tensor

    def fits(self, side: int, background: Tensor, window: Tensor) -> bool:
        """Whether it would come out the same."""
        return (
            side == self.side
            and background.dtype == self.background.dtype
            and torch.equal(background, self.background)
            and torch.equal(window, self.window)
        )


class Hiera(nn.Module):
    """Hierarchical vision transformer (Ryali et al., 2023) with windowed position embedding."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config.embed_dim)
        side = config.background_size
        self.pos_embed = nn.Parameter(torch.zeros(1, config.embed_dim, side, side))
        self.pos_embed_window = nn.Parameter(
            torch.zeros(1, config.embed_dim, WINDOW_EMBED_SIDE, WINDOW_EMBED_SIDE)
        )
        self.blocks = nn.ModuleList(_blocks(config))
        self.stage_ends = tuple(sum(config.stages[: i + 1]) - 1 for i in range(4))
        self._position: KeptPosition | None = None

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """pixels [B, 3, S, S] -> four maps [B, H, W, C], strides 4, 8, 16, 32"""
        x = self.patch_embed(pixels)
        x = x + self.position(x.shape[1])
        stages = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.stage_ends:
                stages.append(x)
        return stages

    def position(self, side: int) -> Tensor:
        """The position embedding of a side x side grid: [1, side, side, C]

        Kept on a CPU without gradients, where it is a hundredth of a frame's time, for as long as
        the weights are what they were.
        """
        if torch.is_grad_enabled() or self.pos_embed.device.type != "cpu":
            return self._make_position(side)
        kept = self._position
        if kept is None or not kept.fits(side, self.pos_embed, self.pos_embed_window):
            weights = (self.pos_embed.clone(), self.pos_embed_window.clone())
            kept = self._position = KeptPosition(side, *weights, self._make_position(side))
        return kept.position

    def _make_position(self, side: int) -> Tensor:
        background = F.interpolate(self.pos_embed, (side, side), mode="bicubic")
        tiles = side // WINDOW_EMBED_SIDE
        return (background + self.pos_embed_window.tile(1, 1, tiles, tiles)).permute(0, 2, 3, 1)


def _blocks(config: TrunkConfig) -> list["HieraBlock"]:
    """Blocks of all stages.

    A stage's first block pools the queries of the stage before it, in that stage's windows.
    """
    blocks: list[HieraBlock] = []
    for stage, depth in enumerate(config.stages):
        for i in range(depth):
            is_pooling = i == 0 and stage > 0
            window = config.windows[stage - 1] if is_pooling else config.windows[stage]
            blocks.append(
                HieraBlock(
                    config.channels[stage - 1] if is_pooling else config.channels[stage],
                    config.channels[stage],
                    num_heads=config.num_heads * 2**stage,
                    window=0 if len(blocks) in config.global_blocks else window,
                )
            )
    return blocks


class PatchEmbed(nn.Module):
    """Overlapping patches at stride 4."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=PATCH_STRIDE, padding=3)

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, 3, S, S] -> [B, S/4, S/4, C]"""
        return self.proj(pixels).permute(0, 2, 3, 1)


class HieraBlock(nn.Module):
    """Pre-norm attention within windows (0: the whole frame), queries pooled when widths differ."""

    def __init__(self, dim: int, dim_out: int, *, num_heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.is_pooling = dim != dim_out
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = HieraAttention(dim, dim_out, num_heads)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = MLP((dim_out, 4 * dim_out, dim_out), F.gelu)
        if self.is_pooling:
            self.proj = nn.Linear(dim, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, W, dim] -> [B, H, W, dim_out], H and W halved when pooling"""
        normed = self.norm1(x)
        shortcut = _pool(self.proj(normed)) if self.is_pooling else x
        x = shortcut + self._attend(normed, shortcut.shape[1], shortcut.shape[2])
        return x + self.mlp(self.norm2(x))

    def _attend(self, x: Tensor, height: int, width: int) -> Tensor:
        if self.window == 0:
            return self.attn(x, self.is_pooling)
        batch = x.shape[0]
        windows, rows = partition(x, self.window)
        windows = self.attn(windows, self.is_pooling)
        return unpartition(windows, batch, rows)[:, :height, :width]


class HieraAttention(nn.Module):
    """Multi-head attention; pooled queries halve the side of what comes out."""

    def __init__(self, dim: int, dim_out: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor, pool_queries: bool) -> Tensor:  # noqa: FBT001 one per block
        """[B, H, W, dim] -> [B, H, W, dim_out] or half the side"""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if pool_queries:
            q = _pool(q)
        height, width = q.shape[1:3]
        q, k, v = (
            t.flatten(1, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in (q, k, v)
        )
        x = F.scaled_dot_product_attention(q, k, v)
        x = x.transpose(1, 2).flatten(2).unflatten(1, (height, width))
        return self.proj(x)


def _pool(x: Tensor) -> Tensor:
    """2x2 maximum: [B, H, W, C] -> [B, H/2, W/2, C]"""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def partition(x: Tensor, window: int) -> tuple[Tensor, int]:
    """[B, H, W, C] -> windows [B * n, window, window, C] and the number of rows of windows.

    Sides that do not divide are padded with zeros, which take part in attention: the official
    weights were trained with them.
    """
    _, height, width, _ = x.shape
    x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    x = x.unflatten(2, (-1, window)).unflatten(
        1, (-1, window)
    )  # B, rows, window, columns, window, C
    return x.transpose(2, 3).flatten(0, 2), x.shape[1]


def unpartition(windows: Tensor, batch: int, rows: int) -> Tensor:
    """windows [B * n, w, w, C] -> [B, rows * w, columns * w, C]; undoes partition, padding kept"""
    x = windows.unflatten(0, (batch, rows, -1)).transpose(2, 3)
    return x.flatten(3, 4).flatten(1, 2)


class FeaturePyramid(nn.Module):
    """Lateral 1x1 convolutions to one width; only stride 16 takes the map above it (upsampled)."""

    def __init__(self, channels: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Lateral(c, dim) for c in reversed(channels))

    def forward(self, stages: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """four maps [B, H, W, C], shallow to deep -> [B, dim, H, W] at strides 4, 8, 16"""
        maps = [x.permute(0, 3, 1, 2) for x in stages]
        coarsest, *finer = (conv(x) for conv, x in zip(self.convs, reversed(maps), strict=True))
        stride_16 = finer[0] + F.interpolate(coarsest.float(), scale_factor=2.0).to(coarsest.dtype)
        return finer[2], finer[1], stride_16


class Lateral(nn.Module):
    """One 1x1 convolution, named as the checkpoints name it."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel_size=1)

    def absorb(self, reader: nn.Conv2d) -> None:
        """Becomes itself and the one 1x1 convolution that reads it: a product of two matrices."""
        first, second = self.conv, reader.weight.flatten(1)
        sizes = (first.in_channels, reader.out_channels)
        joined = skip_init(nn.Conv2d, *sizes, kernel_size=1, device=str(first.weight.device))
        assert first.bias is not None, "neither is without"
        assert reader.bias is not None, "neither is without"
        joined.weight.data = (second @ first.weight.flatten(1))[..., None, None]
        joined.bias.data = second @ first.bias + reader.bias
        self.conv = joined

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, dim, H, W]"""
        return self.conv(x)
