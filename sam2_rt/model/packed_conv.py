"""PackedConv: a convolution whose weights lie as a CPU's kernels want them."""

import torch
from torch import Tensor, nn

from sam2_rt.model.conv_trunk import ConvNorm


class PackedConv(nn.Module):
    """An nn.Conv2d for inference on a CPU, with a ReLU if told so.

    oneDNN multiplies blocks of channels. Plain weights are put into that order at each call, which
    for a small picture takes up to a fourth of the time. The calls are those that torch's own
    compiler writes for a CPU (torch/_inductor/mkldnn_ir.py).
    """

    weight: Tensor

    def __init__(self, conv: nn.Conv2d, *, has_relu: bool = False) -> None:
        super().__init__()
        self.bias = conv.bias
        self._form = list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups
        self._then = "relu" if has_relu else "none"
        plain = conv.weight.detach().contiguous(memory_format=torch.channels_last)
        packed = torch.ops.mkldnn._reorder_convolution_weight(plain, *self._form, None)  # noqa: SLF001
        self.register_buffer("weight", packed, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inner, H, W] -> [B, outer, H', W'], channels last"""
        done: Tensor = torch.ops.mkldnn._convolution_pointwise(  # noqa: SLF001
            x, self.weight, self.bias, *self._form, self._then, [], ""
        )
        return done


def pack(model: nn.Module) -> None:
    """Packs all convolutions of a model that is only run, on a CPU, and not compiled."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and can_pack(child):
                setattr(module, name, PackedConv(child, has_relu=_takes_relu(module)))


def _takes_relu(module: nn.Module) -> bool:
    """Leaves a ReLU that follows to the convolution; whether there is one."""
    if not isinstance(module, ConvNorm) or not module.is_folded:
        return False
    has_relu, module.has_relu = module.has_relu, False
    return has_relu


def can_pack(conv: nn.Conv2d) -> bool:
    """Whether this processor's kernels take it."""
    weight = conv.weight
    if weight.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001
    return weight.dtype == torch.float32
