import torch

from golden_data import assert_near, golden
from sam2_rt.model.config import ModelConfig
from sam2_rt.model.layers import sine_position_2d
from sam2_rt.model.memory_attention import MemoryAttention, MemoryTokens
from sam2_rt.model.sam2 import SAM2
from seeded import SMALL_HIERA, inputs

MODULES = golden("modules_tiny_2.1_256")
POSITION = sine_position_2d(256, 16, 16, torch.device("cpu")).flatten(1).T


def memories() -> MemoryTokens:
    """Two memories of 16 x 16 places and two pointers of four tokens each."""
    tokens, position = (
        inputs(name, 520, 1, 64).transpose(0, 1) for name in ("ma.mem", "ma.mempos")
    )
    return MemoryTokens(tokens, position, 8, None)


def test_the_stack_agrees_with_the_official_one(tiny: SAM2):
    feature = inputs("ma.curr", 256, 1, 256).transpose(0, 1)
    out = tiny.memory_attention(feature, POSITION, memories())
    assert_near(out[0], MODULES["memory_attention.out"])


def test_a_layer_agrees_with_the_official_one(tiny: SAM2):
    feature = inputs("ma.curr", 256, 1, 256).transpose(0, 1)
    attention = tiny.memory_attention
    out = attention.layers[0](feature, memories(), attention.rotation(feature))
    assert_near(out[0, ::2], MODULES["memory_attention.layer0.out"])


def test_padded_keys_change_nothing(tiny: SAM2):
    feature = inputs("ma.curr", 256, 1, 256).transpose(0, 1)
    tokens, position, num_pointer_tokens, *_ = memories()
    padding = torch.full((1, 256, 64), 1e3)
    padded = MemoryTokens(
        torch.cat([padding, tokens], dim=1),
        torch.cat([padding, position], dim=1),
        num_pointer_tokens,
        torch.cat([torch.zeros(1, 256), torch.ones(1, 520)], dim=1).bool(),
    )
    torch.testing.assert_close(
        tiny.memory_attention(feature, POSITION, padded),
        tiny.memory_attention(feature, POSITION, memories()),
        rtol=1e-4,
        atol=1e-4,
    )


def test_training_may_follow_inference():
    attention = MemoryAttention(
        ModelConfig(SMALL_HIERA, dim=64, memory_dim=16, memory_layers=1, feedforward_dim=64)
    )
    feature, tokens = torch.randn(1, 16, 64), torch.randn(1, 16, 16)
    memories = MemoryTokens(tokens, torch.zeros_like(tokens), 0, None)
    with torch.inference_mode():
        attention(feature, feature[0], memories)
    with torch.enable_grad():
        attention(feature, feature[0], memories).sum().backward()
    assert attention.norm.weight.grad is not None


def test_the_rotation_follows_the_grid(tiny: SAM2):
    assert tiny.memory_attention.rotation(torch.zeros(1, 64, 256)).shape == (64, 128, 2)
    assert tiny.memory_attention.rotation(torch.zeros(1, 256, 256)).shape == (256, 128, 2)
