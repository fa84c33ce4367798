"""ConvTrunk: residual convolutions, on CPUs several times as fast as a Hiera of their size."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sam2_rt.model.config import ConvTrunkConfig


class ConvTrunk(nn.Module):
    """A stem of two strided convolutions, then residual stages at strides 4, 8, 16 and 32."""

    def __init__(self, config: ConvTrunkConfig) -> None:
        super().__init__()
        first, depths = config.channels[0], config.stages
        self.stem = nn.Sequential(ConvNorm(3, first // 2, stride=2), ConvNorm(first // 2, first, 2))
        self.stages = nn.ModuleList(
            [_residual(first, depths[0])]
            + [
                nn.Sequential(ConvNorm(inner, outer, stride=2), *_residual(outer, depth))
                for (inner, outer), depth in zip(pairwise(config.channels), depths[1:], strict=True)
            ]
        )

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """pixels [B, 3, S, S] -> four maps [B, H, W, C], strides 4, 8, 16, 32"""
        x = self.stem(pixels.contiguous(memory_format=torch.channels_last))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x.permute(0, 2, 3, 1))
        return maps

    def fold(self) -> None:
        """Folds each normalisation into its convolution, for inference only: same function."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()


def _residual(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(depth)))


class ConvNorm(nn.Module):
    """3x3 convolution, batch normalisation, and a ReLU unless told otherwise."""

    def __init__(self, inner: int, outer: int, stride: int = 1, *, has_relu: bool = True) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(inner, outer, 3, stride, padding=1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outer)
        self.has_relu = has_relu

    def forward(self, x: Tensor) -> Tensor:
        """[B, inner, H, W] -> [B, outer, H / stride, W / stride]"""
        x = self.norm(self.conv(x))
        return x.relu_() if self.has_relu else x

    @property
    def is_folded(self) -> bool:
        """Nothing stands between the convolution and the ReLU."""
        return isinstance(self.norm, nn.Identity)

    def fold(self) -> None:
        """Puts the normalisation's running statistics into the convolution."""
        if isinstance(self.norm, nn.BatchNorm2d) and isinstance(self.conv, nn.Conv2d):
            self.conv = fuse_conv_bn_eval(self.conv.eval(), self.norm.eval())
            self.norm = nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels)
        self.conv2 = ConvNorm(channels, channels, has_relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]"""
        return (x + self.conv2(self.conv1(x))).relu_()
