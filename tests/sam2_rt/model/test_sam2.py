import json

import pytest
import torch

from golden_data import shared
from sam2_rt.model.config import BASE_PLUS, LARGE, NANO, SMALL, TINY, ModelConfig
from sam2_rt.model.sam2 import ABSENT_LOGIT, SAM2, Memories, PromptTensors
from seeded import SMALL_HIERA

TRUNKS = {"tiny": TINY, "small": SMALL, "base_plus": BASE_PLUS, "large": LARGE}


@pytest.mark.parametrize("version", ["2.0", "2.1"])
@pytest.mark.parametrize("size", TRUNKS)
def test_the_keys_and_shapes_are_those_of_the_official_checkpoint(size: str, version: str):
    official = json.loads(
        shared(f"reference/checkpoints/state_dict_{size}_{version}.json").read_text()
    )
    with torch.device("meta"):
        state = SAM2(ModelConfig(TRUNKS[size], version)).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == official["keys"]


def make_memories(model: SAM2, batch: int) -> Memories:
    config = model.config
    return Memories(
        torch.randn(batch, 2, config.memory_dim, config.grid, config.grid).bfloat16(),
        torch.tensor([[0, 1]]).expand(batch, -1),
        torch.randn(batch, 3, config.dim),
        torch.tensor([[40, 1, 2]]).expand(batch, -1),
        None,
        None,
    )


@pytest.mark.parametrize("batch", [1, 3])
def test_the_four_calls_keep_their_shapes(tiny: SAM2, batch: int):
    embedding = tiny.encode_image(torch.randn(1, 3, 256, 256))
    feature = tiny.condition_on_memory(embedding.feature, make_memories(tiny, batch))
    assert feature.shape == (batch, 256, 16, 16)
    prediction = tiny.decode_masks(feature, embedding.high_resolution, None, is_ambiguous=True)
    assert prediction.mask_logits.shape == (batch, 64, 64)
    assert prediction.iou.shape == prediction.object_score.shape == (batch,)
    assert prediction.object_pointer.shape == (batch, 256)
    memory = tiny.encode_memory(embedding.feature, prediction, is_prompted=False)
    assert memory.shape == (batch, 64, 16, 16)


def test_padding_a_bank_changes_nothing(tiny: SAM2):
    embedding = tiny.encode_image(torch.randn(1, 3, 256, 256))
    memories = make_memories(tiny, 1)
    padded = Memories(
        torch.cat([memories.features, torch.randn(1, 2, 64, 16, 16)], dim=1),
        torch.tensor([[0, 1, 5, 5]]),
        torch.cat([memories.pointers, torch.randn(1, 1, 256)], dim=1),
        torch.tensor([[40, 1, 2, 9]]),
        torch.tensor([[True, True, False, False]]),
        torch.tensor([[True, True, True, False]]),
    )
    torch.testing.assert_close(
        tiny.condition_on_memory(embedding.feature, padded),
        tiny.condition_on_memory(embedding.feature, memories),
        rtol=1e-3,
        atol=1e-3,
    )


def test_an_absent_object_has_no_mask_and_the_pointer_of_absence(tiny: SAM2):
    bias = tiny.sam_mask_decoder.pred_obj_score_head.layers[2].bias
    bias.sub_(100)
    embedding = tiny.encode_image(torch.randn(1, 3, 256, 256))
    prediction = tiny.decode_masks(
        embedding.feature, embedding.high_resolution, None, is_ambiguous=True
    )
    bias.add_(100)
    assert prediction.object_score < 0
    assert (prediction.mask_logits == ABSENT_LOGIT).all()
    assert torch.equal(prediction.object_pointer, tiny.no_obj_ptr)


def test_a_given_mask_comes_back_as_it_was_given(tiny: SAM2):
    embedding = tiny.encode_image(torch.randn(1, 3, 256, 256))
    mask = torch.zeros(2, 256, 256)
    mask[0, 64:192, 32:160] = 1
    prediction = tiny.adopt_mask(embedding, mask)
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[16:48, 8:40] = True
    assert torch.equal(prediction.mask_logits[0] > 0, expected)
    assert prediction.object_score.tolist() == [10, -10]
    assert torch.equal(prediction.object_pointer[1:], tiny.no_obj_ptr)


def test_bfloat16_gives_nearly_the_same_masks(tiny: SAM2):
    torch.manual_seed(0)
    pixels = torch.randn(1, 3, 256, 256)
    prompt = PromptTensors(torch.tensor([[[100.0, 90.0]]]), torch.tensor([[1]]), None)

    def mask(model: SAM2) -> torch.Tensor:
        embedding = model.encode_image(pixels.to(model.no_obj_ptr.dtype))
        feature = model.without_memory(embedding.feature)
        out = model.decode_masks(feature, embedding.high_resolution, prompt, is_ambiguous=False)
        return out.mask_logits[0] > 0

    narrow = SAM2(tiny.config).eval()
    narrow.load_state_dict(tiny.state_dict())
    exact, rounded = mask(tiny), mask(narrow.bfloat16())
    assert (exact & rounded).sum() / (exact | rounded).sum() > 0.95


@pytest.mark.parametrize("config", [NANO.at(64), ModelConfig(SMALL_HIERA, image_size=64)])
def test_folding_keeps_what_the_model_says(config: ModelConfig):
    torch.manual_seed(0)
    model = SAM2(config).eval()
    pixels = torch.randn(1, 3, 64, 64)
    expected = model.encode_image(pixels)
    parameters = sum(p.numel() for p in model.parameters())
    for _ in range(2):  # the second time there is nothing left to fold
        model.fold()
        found = model.encode_image(pixels)
        torch.testing.assert_close(found.feature, expected.feature, rtol=1e-4, atol=1e-5)
        for one, other in zip(found.high_resolution, expected.high_resolution, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in model.parameters()) < parameters
