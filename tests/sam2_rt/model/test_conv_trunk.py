import torch
from torch import nn

from sam2_rt.model.config import ConvTrunkConfig
from sam2_rt.model.conv_trunk import ConvTrunk


def trunk() -> ConvTrunk:
    """With statistics that folding has to reckon with."""
    torch.manual_seed(0)
    made = ConvTrunk(ConvTrunkConfig(channels=(8, 8, 16, 24), stages=(1, 2, 1, 1)))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    return made.eval()


def test_four_maps_halve_from_stride_four_on():
    maps = trunk()(torch.randn(2, 3, 64, 96))
    assert [tuple(m.shape) for m in maps] == [
        (2, 16, 24, 8),
        (2, 8, 12, 8),
        (2, 4, 6, 16),
        (2, 2, 3, 24),
    ]


def test_folding_normalisation_changes_nothing_but_the_number_of_operations():
    model, pixels = trunk(), torch.randn(1, 3, 64, 64)
    expected = model(pixels)
    model.fold()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    for found, wanted in zip(model(pixels), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_folding_twice_is_folding_once():
    model, pixels = trunk(), torch.randn(1, 3, 64, 64)
    model.fold()
    expected = model(pixels)[3]
    model.fold()
    assert torch.equal(model(pixels)[3], expected)
