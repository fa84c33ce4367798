import pytest
import torch
from torch import nn

from sam2_rt.data.sample import Sample
from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking import memory_pool
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Prompt
from sam2_rt.tracking.tracker import Tracker
from sam2_rt.train.batch import collate
from sam2_rt.train.plan import Plan
from sam2_rt.train.unroll import _Unrolled, unroll
from small_model import small_model
from squares import SQUARES

CPU = torch.device("cpu")


def tracked(model: SAM2, sample: Sample) -> list[torch.Tensor]:
    """Mask logits of the serving tracker for the first object, given its mask in frame 0."""
    tracker = Tracker(model)
    prompts = (Prompt(1, mask=sample.masklets[0, 0]),)
    logits = []
    for index in range(len(sample.frames)):
        [prediction] = tracker.step(
            Frame(index, (sample.frames[index],)), prompts if index == 0 else ()
        )
        logits.append(prediction.mask_logits)
    return logits


@torch.no_grad()
def test_training_unrolls_the_step_that_serving_takes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory_pool, "MEMORY_DTYPE", torch.float32)
    model, sample = small_model().eval(), SQUARES.make(3, 9)
    unrolled = _Unrolled(model, collate([sample], CPU, 1), Plan("mask"))
    unrolled.run()
    expected = tracked(model, sample)
    for index in range(8):  # what the last frame would leave is not made
        found = unrolled.steps[index].decoded.mask_logits[0]
        torch.testing.assert_close(found, expected[index], rtol=1e-3, atol=1e-3)


def test_every_answer_is_judged():
    model, batch = small_model(), collate([SQUARES.make(0, 4)], CPU, 1)
    assert len(unroll(model, batch, Plan("mask"))) == 3
    assert len(unroll(model, batch, Plan("click", corrections=2))) == 6
    assert len(unroll(model, batch, Plan("box", corrected=2))) == 5


def test_a_corrected_frame_conditions_those_after_it():
    unrolled = _Unrolled(small_model(), collate([SQUARES.make(0, 5)], CPU, 1), Plan("mask", 0, 2))
    unrolled.run()
    assert unrolled.conditioning == [0, 2]
    memories = unrolled._memories(4)
    assert memories.ages.tolist() == [[0, 0, 3, 1]]
    assert memories.pointer_ages.tolist() == [[4, 2, 1, 3]]


def test_gradients_flow_back_through_the_memory():
    model = small_model()
    nn.init.constant_(model.sam_mask_decoder.pred_obj_score_head.layers[2].bias, 5)  # it is there
    losses = unroll(model, collate([SQUARES.make(0, 3)], CPU, 1), Plan("mask"))
    losses[-1].total.backward()
    for part in (model.memory_encoder, model.memory_attention, model.obj_ptr_proj):
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())


def test_rows_of_a_batch_do_not_mix():
    model = small_model().eval()
    samples = [SQUARES.make(seed, 3) for seed in (1, 2)]
    both = _Unrolled(model, collate(samples, CPU, 1), Plan("mask"))
    both.run()
    for row, sample in enumerate(samples):
        alone = _Unrolled(model, collate([sample], CPU, 1), Plan("mask"))
        alone.run()
        found = both.steps[1].decoded.mask_logits[row]
        torch.testing.assert_close(
            found, alone.steps[1].decoded.mask_logits[0], rtol=1e-3, atol=1e-3
        )


def test_nano_unrolls():
    batch = collate([SQUARES.make(0, 2)], CPU, 1)
    assert torch.isfinite(unroll(zoo.build("nano", 64), batch, Plan("click"))[-1].total)


def test_the_lead_is_played_as_the_rest_but_neither_judged_nor_learned_from():
    torch.manual_seed(0)
    model, batch = small_model().eval(), collate([SQUARES.make(3, 6)], CPU, 1)
    whole, late = (
        _Unrolled(model, batch, Plan("mask")),
        _Unrolled(model, batch, Plan("mask", lead=3)),
    )
    losses = whole.run(), late.run()
    assert [len(each) for each in losses] == [5, 3]
    torch.testing.assert_close(losses[1][-1].total, losses[0][-1].total)
    assert not late.steps[2].memory.requires_grad
    assert late.steps[3].memory.requires_grad


@pytest.mark.parametrize("lead", [0, 2])
def test_parts_that_the_lead_used_are_learned_in_bfloat16_too(lead: int):
    model, batch = small_model().train(), collate([SQUARES.make(3, 5)], CPU, 1)
    with torch.autocast("cpu", torch.bfloat16):
        losses = unroll(model, batch, Plan("mask", lead=lead))
    torch.stack([each.total for each in losses]).mean().backward()
    for part in (model.memory_attention, model.sam_mask_decoder.mixing, model.memory_encoder):
        grads = [parameter.grad for parameter in part.parameters()]
        assert all(grad is not None for grad in grads)  # none was rounded once for all, without it
        assert any(grad.abs().max() > 0 for grad in grads)
