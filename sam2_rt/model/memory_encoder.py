"""Memory encoder: a frame's feature and the mask found in it become one memory."""

from itertools import pairwise

from torch import Tensor, nn

from sam2_rt.model.config import ModelConfig
from sam2_rt.model.layers import LayerNorm2d, conv_blocks


class MemoryEncoder(nn.Module):
    """Fuses the unconditioned feature with the downsampled mask."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        self.mask_downsampler = MaskDownsampler(dim, config.mask_stride)
        self.pix_feat_proj = nn.Conv2d(dim, dim, kernel_size=1)
        self.fuser = Fuser(dim, are_plain=config.plain_blocks)
        self.out_proj = nn.Conv2d(dim, config.memory_dim, kernel_size=1)

    def forward(self, feature: Tensor, mask: Tensor) -> Tensor:
        """feature [1 or B, dim, g, g], mask [B, 1, 16g, 16g] in -10..10 -> [B, memory_dim, g, g]

        The mask's side is 16g over the config's mask_stride.
        """
        return self.out_proj(self.fuser(self.pix_feat_proj(feature) + self.mask_downsampler(mask)))


class MaskDownsampler(nn.Module):
    """Strided convolutions, each with four times the channels, to the feature's stride.

    Four of them from the input's own pixels; a coarser mask skips the first.
    """

    def __init__(self, dim: int, mask_stride: int) -> None:
        super().__init__()
        skipped = mask_stride.bit_length() - 1
        channels = [1, *(min(4**i, dim) for i in range(1 + skipped, 5))]
        layers: list[nn.Module] = []
        for inner, outer in pairwise(channels):
            layers += [
                nn.Conv2d(inner, outer, kernel_size=3, stride=2, padding=1),
                LayerNorm2d(outer),
                nn.GELU(),
            ]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(channels[-1], dim, kernel_size=1))

    def forward(self, mask: Tensor) -> Tensor:
        """[B, 1, 16g / mask_stride, 16g / mask_stride] -> [B, dim, g, g]"""
        return self.encoder(mask)


class Fuser(nn.Module):
    """Two convolution blocks."""

    def __init__(self, dim: int, *, are_plain: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(conv_blocks(dim, 2, are_plain=are_plain))

    def forward(self, x: Tensor) -> Tensor:
        """[B, dim, g, g] -> [B, dim, g, g]"""
        for layer in self.layers:
            x = layer(x)
        return x
