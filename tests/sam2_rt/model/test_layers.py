import pytest
import torch

from golden_data import assert_near, golden
from sam2_rt.model.layers import (
    LayerNorm2d,
    axial_rotation,
    rotate,
    sine_position_1d,
    sine_position_2d,
)

CPU = torch.device("cpu")
MODULES = golden("modules_tiny_2.1_256")


def test_the_sine_position_of_a_square_is_the_official_one():
    assert_near(sine_position_2d(256, 4, 4, CPU), MODULES["sine2d_256_4x4"])


def test_the_sine_position_of_a_rectangle_is_the_official_one():
    assert_near(sine_position_2d(64, 3, 5, CPU), MODULES["sine2d_64_3x5"])


def test_the_sine_position_of_pointers_is_the_official_one():
    place = torch.tensor([0, 1 / 15, -3 / 15, 1])
    assert_near(sine_position_1d(place, 256), MODULES["sine1d_256"])


def test_the_rotary_angles_are_the_official_ones():
    cos, sin = axial_rotation(256, 4, CPU).unbind(-1)
    # The official table orders a grid cell's frequencies as x then y, like ours.
    assert_near(cos, MODULES["rope_4x4.real"])
    assert_near(sin, MODULES["rope_4x4.imag"])


@pytest.mark.parametrize("turned", [256, 192])
def test_rotating_turns_each_pair_of_channels_by_its_angle(turned: int):
    x, rotation = torch.randn(2, 16, 256), axial_rotation(turned, 4, CPU)
    out, (cos, sin) = rotate(x, rotation), rotation.unbind(-1)
    even, odd = x[..., :turned:2], x[..., 1:turned:2]
    torch.testing.assert_close(out[..., :turned:2], even * cos - odd * sin)
    torch.testing.assert_close(out[..., 1:turned:2], even * sin + odd * cos)
    torch.testing.assert_close(out[..., turned:], x[..., turned:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_compiled_rotation_is_the_same_without_complex_numbers(dtype: torch.dtype):
    x, rotation = torch.randn(2, 16, 64).to(dtype), axial_rotation(64, 4, CPU)
    graphs: list[torch.fx.GraphModule] = []

    def look(graph: torch.fx.GraphModule, _: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled = torch.compile(rotate, backend=look, fullgraph=True)
    torch.testing.assert_close(compiled(x, rotation), rotate(x, rotation))
    assert len(graphs) == 1
    assert "complex" not in graphs[0].code


def test_normalisation_runs_over_channels():
    x = LayerNorm2d(8)(torch.randn(2, 8, 3, 5) * 7 + 3)
    torch.testing.assert_close(x.mean(1), torch.zeros(2, 3, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.var(1, correction=0), torch.ones(2, 3, 5), atol=1e-4, rtol=0)
