"""Memory encoder: a frame's feature and the mask found in it become one memory."""

from itertools import pairwise

from torch import Tensor, nn

from sam2_rt.model.layers import ConvNeXtBlock, LayerNorm2d


class MemoryEncoder(nn.Module):
    """Fuses the unconditioned feature with the downsampled mask."""

    def __init__(self, dim: int, memory_dim: int) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownsampler(dim)
        self.pix_feat_proj = nn.Conv2d(dim, dim, kernel_size=1)
        self.fuser = Fuser(dim)
        self.out_proj = nn.Conv2d(dim, memory_dim, kernel_size=1)

    def forward(self, feature: Tensor, mask: Tensor) -> Tensor:
        """feature [1 or B, dim, g, g], mask [B, 1, 16g, 16g] in -10..10 -> [B, memory_dim, g, g]"""
        return self.out_proj(self.fuser(self.pix_feat_proj(feature) + self.mask_downsampler(mask)))


class MaskDownsampler(nn.Module):
    """Four strided convolutions, each with four times the channels, to the feature's stride."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        channels = [1, *(min(4**i, dim) for i in range(1, 5))]
        layers: list[nn.Module] = []
        for inner, outer in pairwise(channels):
            layers += [
                nn.Conv2d(inner, outer, kernel_size=3, stride=2, padding=1),
                LayerNorm2d(outer),
                nn.GELU(),
            ]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(channels[-1], dim, kernel_size=1))

    def forward(self, mask: Tensor) -> Tensor:
        """[B, 1, 16g, 16g] -> [B, dim, g, g]"""
        return self.encoder(mask)


class Fuser(nn.Module):
    """Two ConvNeXt blocks (Liu et al., 2022)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNeXtBlock(dim) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, g, g] -> [B, dim, g, g]"""
        for layer in self.layers:
            x = layer(x)
        return x
