import torch

from sam2_rt.model.sam2 import SAM2, Memories, PromptTensors
from sam2_rt.tracking.track_step import adopt_step, track_step

POINT = PromptTensors(torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]]), None)
TWO = PromptTensors(torch.tensor([[[20.0, 30.0], [50.0, 40.0]]]), torch.tensor([[1, 0]]), None)


@torch.inference_mode()
def test_a_click_is_ambiguous_and_two_are_not(model: SAM2):
    embedding = model.encode_image(torch.randn(1, 3, 64, 64))
    feature = model.without_memory(embedding.feature)
    for prompt, is_ambiguous in [(POINT, True), (TWO, False)]:
        expected = model.decode_masks(
            feature, embedding.high_resolution, prompt, is_ambiguous=is_ambiguous
        )
        step = track_step(model, embedding, None, prompt)
        assert torch.equal(step.decoded.mask_logits, expected.mask_logits)


@torch.inference_mode()
def test_a_prompted_mask_is_remembered_without_its_doubts(model: SAM2):
    embedding = model.encode_image(torch.randn(1, 3, 64, 64))
    step = track_step(model, embedding, None, POINT)
    with_doubts = model.encode_memory(embedding.feature, step.decoded, is_prompted=False)
    assert not torch.allclose(step.memory, with_doubts)
    certain = step.decoded._replace(mask_logits=step.decoded.mask_logits.sign() * 1e4)
    torch.testing.assert_close(
        model.encode_memory(embedding.feature, certain, is_prompted=True),
        model.encode_memory(embedding.feature, certain, is_prompted=False),
    )


@torch.inference_mode()
def test_memories_change_what_is_found(model: SAM2):
    embedding = model.encode_image(torch.randn(1, 3, 64, 64))
    memories = Memories(
        torch.randn(2, 1, 16, 4, 4),
        torch.zeros(2, 1),
        torch.randn(2, 1, 64),
        torch.ones(2, 1),
        None,
        None,
    )
    step = track_step(model, embedding, memories, None)
    assert step.memory.shape == (2, 16, 4, 4)
    assert not torch.allclose(step.decoded.object_pointer[0], step.decoded.object_pointer[1])


@torch.inference_mode()
def test_an_adopted_mask_is_remembered(model: SAM2):
    embedding = model.encode_image(torch.randn(1, 3, 64, 64))
    masks = torch.zeros(2, 64, 64)
    masks[0, 16:48, 16:48] = 1
    step = adopt_step(model, embedding, masks)
    assert step.decoded.object_score.tolist() == [10, -10]
    assert not torch.allclose(step.memory[0], step.memory[1])
