import pytest
import torch
from torch import nn

from sam2_rt.model.conv_trunk import ConvNorm, ResidualBlock
from sam2_rt.model.packed_conv import PackedConv, pack

CONVOLUTIONS = {
    "3x3": nn.Conv2d(16, 32, 3, padding=1),
    "1x1": nn.Conv2d(16, 24, 1),
    "strided": nn.Conv2d(16, 16, 3, stride=2, padding=1),
    "without bias": nn.Conv2d(16, 16, 3, bias=False),
    "a channel each": nn.Conv2d(16, 16, 7, padding=3, groups=16),
    "dilated": nn.Conv2d(16, 16, 3, padding=2, dilation=2),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("has_relu", [False, True])
@torch.inference_mode()
def test_a_packed_convolution_is_the_same_for_every_size_and_batch(name: str, *, has_relu: bool):
    conv = CONVOLUTIONS[name]
    packed = PackedConv(conv, has_relu=has_relu)
    for batch, side in ((1, 10), (3, 21)):
        x = torch.randn(batch, 16, side, side)
        expected = conv(x).relu() if has_relu else conv(x)
        torch.testing.assert_close(packed(x), expected, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_packing_a_model_takes_its_convolutions_and_the_relu_after_them():
    torch.manual_seed(0)
    model = nn.Sequential(ConvNorm(3, 16), ResidualBlock(16), nn.Conv2d(16, 8, 1)).eval()
    x = torch.randn(2, 3, 12, 12)
    for module in model.modules():
        if isinstance(module, ConvNorm):
            module.fold()
    expected = model(x)
    pack(model)
    assert sum(isinstance(module, PackedConv) for module in model.modules()) == 4
    assert not any(isinstance(module, nn.Conv2d) for module in model.modules())
    assert not any(module.has_relu for module in model.modules() if isinstance(module, ConvNorm))
    torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_what_is_not_folded_keeps_its_normalisation_before_its_relu():
    torch.manual_seed(0)
    model = nn.Sequential(ConvNorm(3, 16)).eval()
    model[0].norm.running_mean.fill_(0.5)
    x = torch.randn(1, 3, 8, 8)
    expected = model(x)
    pack(model)
    torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=1e-4)
