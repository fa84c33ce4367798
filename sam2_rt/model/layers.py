"""What more than one box of the figure is built from: MLP, normalisation and position encodings."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 10_000.0


class MLP(nn.Module):
    """Linear layers with an activation between each two."""

    def __init__(
        self, dims: tuple[int, ...], activation: Callable[[Tensor], Tensor] = F.relu
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(dims))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """[..., dims[0]] -> [..., dims[-1]]"""
        *hidden, last = self.layers
        for layer in hidden:
            x = self.activation(layer(x))
        return last(x)


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of a feature map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]"""
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.weight.shape, self.weight, self.bias, eps=1e-6)
        return x.permute(0, 3, 1, 2)


def conv_blocks(dim: int, count: int, *, are_plain: bool) -> Iterator[nn.Module]:
    """Blocks [B, dim, g, g] -> [B, dim, g, g] of one kind or the other."""
    return ((PlainBlock if are_plain else ConvNeXtBlock)(dim) for _ in range(count))


class PlainBlock(nn.Module):
    """Two 3x3 convolutions through half the width, scaled and added.

    For matrix units, which cannot do the depthwise convolution of ConvNeXt's.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim // 2, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(dim // 2, dim, kernel_size=3, padding=1)
        self.gamma = nn.Parameter(torch.full((dim, 1, 1), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, g, g] -> [B, dim, g, g]"""
        return x + self.gamma * self.conv2(F.relu(self.conv1(x)))


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, then an MLP over channels, scaled and added (Liu et al., 2022)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, g, g] -> [B, dim, g, g]"""
        mixed = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        mixed = self.gamma * self.pwconv2(F.gelu(self.pwconv1(mixed)))
        return x + mixed.permute(0, 3, 1, 2)


def sine_position_2d(dim: int, height: int, width: int, device: torch.device) -> Tensor:
    """Fixed sine position of a feature map, y channels before x channels: [dim, height, width]."""
    half = dim // 2
    y, x = (_unit_circle(length, half, device) for length in (height, width))
    return torch.cat(
        [y.T[:, :, None].expand(-1, -1, width), x.T[:, None, :].expand(-1, height, -1)]
    )


def _unit_circle(length: int, dim: int, device: torch.device) -> Tensor:
    """[length, dim]: positions 1..length of one axis, sine in even and cosine in odd channels."""
    place = torch.arange(1, length + 1, device=device, dtype=torch.float32)
    angle = place / (length + 1e-6) * (2 * math.pi)
    divisor = TEMPERATURE ** (2 * (torch.arange(dim, device=device) // 2) / dim)
    phase = angle[:, None] / divisor
    return torch.stack([phase[:, 0::2].sin(), phase[:, 1::2].cos()], dim=-1).flatten(1)


def sine_position_1d(position: Tensor, dim: int) -> Tensor:
    """[...] -> [..., dim]: all sines, then all cosines."""
    half = dim // 2
    divisor = TEMPERATURE ** (2 * (torch.arange(half, device=position.device) // 2) / half)
    phase = position[..., None] / divisor
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def axial_rotation(dim: int, side: int, device: torch.device) -> Tensor:
    """Cosine and sine of the rotary angles of a square grid, row by row: [side², dim / 2, 2].

    The first half of the pairs turns with x, the second with y (RoPE for vision, arXiv 2403.13298).
    """
    frequency = TEMPERATURE ** -(torch.arange(0, dim, 4, device=device)[: dim // 4] / dim)
    place = torch.arange(side * side, device=device)
    x, y = (place % side).float(), (place // side).float()
    angle = torch.cat([x[:, None] * frequency, y[:, None] * frequency], dim=-1)
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turns neighbouring channels as pairs, in float32: x [..., N, dim], rotation [N, r / 2, 2].

    Channels beyond the first r are left as they are.
    """
    width = 2 * rotation.shape[-2]
    turning, still = x[..., :width], x[..., width:]
    pairs = turning.float().unflatten(-1, (-1, 2))
    turned = _turn(pairs, rotation).flatten(-2).to(x.dtype)
    return turned if still.shape[-1] == 0 else torch.cat([turned, still], dim=-1)


def _turn(pairs: Tensor, rotation: Tensor) -> Tensor:
    """Both [..., 2]. As complex numbers a pass over memory, a tenth of the time of real ones."""
    if torch.compiler.is_compiling():  # it fuses real ones, and writes no code for complex ones
        (a, b), (cos, sin) = pairs.unbind(-1), rotation.unbind(-1)
        return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1)
    return torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rotation))
