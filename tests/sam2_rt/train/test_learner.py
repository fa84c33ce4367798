import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.train import learner as learning
from sam2_rt.train.batch import Batch, collate
from sam2_rt.train.learner import Diverged, Learner, StateError, parameter_groups
from sam2_rt.train.plan import Plan
from sam2_rt.train.recipe import Recipe, Stage
from seeded import SMALL_HIERA
from small_model import SMALL, SMALL_OFFICIAL, small_model
from squares import SQUARES

RECIPE = Recipe(stages=(Stage(2, 2, 1000, lr=2e-3, warmup=5),), dtype="float32")
PLAN = Plan("click")


def batch(num_frames: int = 2) -> Batch:
    return collate([SQUARES.make(i, num_frames) for i in range(2)], torch.device("cpu"), 1)


def learn(learner: Learner, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        torch.manual_seed(learner.step)  # of the clicks
        losses.append(learner.learn(batch(), PLAN).total)
    return losses


def test_learning_from_two_clips_learns_them():
    losses = learn(Learner(small_model(), RECIPE), 60)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


@pytest.mark.filterwarnings("ignore")  # torch warns of its own code
def test_compiled_parts_learn_the_same(monkeypatch: pytest.MonkeyPatch):
    """Traced forwards and backwards as always, but run by torch itself: no C++ is compiled."""
    monkeypatch.setattr(learning, "COMPILER", "aot_eager")
    torch._dynamo.utils.counters.clear()
    compiled = learn(Learner(small_model(), replace(RECIPE, compiles=True)), 3)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= len(learning.COMPILED_PARTS)
    assert compiled == pytest.approx(learn(Learner(small_model(), RECIPE), 3), rel=1e-3)


def test_a_run_that_was_written_and_read_back_goes_on_as_if_nothing_had_been(tmp_path: Path):
    whole, first = (Learner(small_model(), RECIPE) for _ in range(2))
    expected = learn(whole, 3)
    whole.save(tmp_path / "other.pt")  # which rounds what it goes on with
    expected += learn(whole, 3)
    learn(first, 3)
    first.save(tmp_path / "state.pt")
    second = Learner(small_model(), RECIPE)
    assert second.restore(tmp_path / "state.pt") == ()
    assert second.step == 3
    assert learn(second, 3) == expected[3:]
    for name, tensor in whole.weights().items():
        assert torch.equal(tensor, second.weights()[name]), name


def test_the_state_of_nano_is_small_enough_to_carry(tmp_path: Path):
    learner = Learner(small_model(), RECIPE)
    learn(learner, 1)
    learner.save(tmp_path / "state.pt")
    weights = sum(p.nbytes for p in learner.model.parameters())
    of_files = 150 * len(list(learner.model.parameters())) * 5  # names and headers
    assert (tmp_path / "state.pt").stat().st_size < 3 * weights + 4 * of_files
    assert 3 * 4 * zoo.num_parameters("nano") < 60 * 2**20


def test_a_state_that_was_cut_off_is_told(tmp_path: Path):
    learner, path = Learner(small_model(), RECIPE), tmp_path / "state.pt"
    learner.save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StateError, match=r"state.pt is cut off or garbled"):
        learner.restore(path)
    torch.save([1], path)
    with pytest.raises(StateError, match=r"has format None; 1 is read here"):
        learner.restore(path)


def test_what_the_recipe_has_changed_is_told_and_holds(tmp_path: Path):
    learner = Learner(small_model(), replace(RECIPE, layer_decay=0.9, weight_decay=0.1))
    learner.save(tmp_path / "state.pt")
    other = Learner(small_model(), replace(RECIPE, layer_decay=0.5, weight_decay=0.1, threads=3))
    assert other.restore(tmp_path / "state.pt") == ("layer_decay: 0.9 -> 0.5",)
    assert {group["share"] for group in other.optimizer.param_groups} == {1, 0.5, 0.25, 0.125}


def test_the_state_of_another_model_is_refused(tmp_path: Path):
    Learner(small_model(), RECIPE).save(tmp_path / "state.pt")
    other = Learner(small_model(replace(SMALL, memory_layers=1)), RECIPE)
    with pytest.raises(StateError, match=r"state.pt is of another model or recipe"):
        other.restore(tmp_path / "state.pt")


def test_the_running_mean_follows_the_weights():
    learner = Learner(small_model(), replace(RECIPE, ema=0.5))
    before = {name: tensor.clone() for name, tensor in learner.weights().items()}
    learn(learner, 1)
    name = "no_obj_ptr"
    moved = learner.model.state_dict()[name]
    keep = 1 / 10  # at first it follows faster than ema says
    torch.testing.assert_close(learner.weights()[name], keep * before[name] + (1 - keep) * moved)


def test_a_frozen_trunk_stays_as_it_is():
    learner = Learner(small_model(), replace(RECIPE, trunk_lr_share=0.0))
    before = {n: t.clone() for n, t in learner.model.state_dict().items()}
    learn(learner, 2)
    for name, tensor in learner.model.state_dict().items():
        if name.startswith("image_encoder.trunk."):  # its batch statistics too
            assert torch.equal(tensor, before[name])
    assert not torch.equal(learner.model.no_obj_ptr, before["no_obj_ptr"])


def test_every_parameter_of_a_hiera_learns():
    learner = Learner(small_model(SMALL_OFFICIAL), RECIPE)
    before = {n: p.detach().clone() for n, p in learner.model.named_parameters()}
    assert learner.learn(batch(), PLAN).norm > 0
    moved = {n for n, p in learner.model.named_parameters() if not torch.equal(p, before[n])}
    hiera = {name for name in before if name.startswith("image_encoder.trunk.")}
    assert "image_encoder.trunk.blocks.0.attn.qkv.weight" in hiera
    assert hiera <= moved


def shares(model: SAM2) -> dict[str, float]:
    """Of each parameter by name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    recipe = replace(RECIPE, trunk_lr_share=0.5, layer_decay=0.5)
    return {
        names[id(parameter)]: group["share"]
        for group in parameter_groups(model, recipe)
        for parameter in group["params"]
    }


def test_the_trunk_learns_slower_towards_the_pixels():
    found = shares(small_model())
    assert found["image_encoder.trunk.stages.3.0.conv.weight"] == 0.5
    assert found["image_encoder.trunk.stages.1.0.conv.weight"] == 0.125
    assert found["image_encoder.trunk.stem.0.conv.weight"] == 0.0625
    assert found["image_encoder.neck.convs.0.conv.weight"] == 1


def test_a_part_may_learn_slower_or_not_at_all():
    model = small_model()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parts = (("memory_attention", 0.5), ("memory_attention.layers.0", 0.25), ("obj_ptr_proj", 0.0))
    recipe = replace(RECIPE, lr_shares=(*parts, ("image_encoder.trunk", 0.5)), trunk_lr_share=0.5)
    groups = list(parameter_groups(model, recipe))
    found = {names[id(p)]: group["share"] for group in groups for p in group["params"]}
    assert found["memory_attention.layers.0.linear1.weight"] == 0.25
    assert found["memory_attention.layers.1.linear1.weight"] == 0.5
    assert found["memory_attention.norm.weight"] == 0.5
    assert found["memory_encoder.out_proj.weight"] == 1
    assert found["image_encoder.trunk.stem.0.conv.weight"] == 0.25  # both
    assert not any(name.startswith("obj_ptr_proj.") for name in found)
    assert found["obj_ptr_tpos_proj.weight"] == 1  # of another name that begins alike
    assert not model.get_parameter("obj_ptr_proj.layers.0.weight").requires_grad


def test_a_trunk_that_is_frozen_as_a_part_keeps_its_statistics():
    shares = (("image_encoder.trunk", 0.0),)
    learner = Learner(small_model(), replace(RECIPE, lr_shares=shares))
    before = {n: t.clone() for n, t in learner.model.state_dict().items()}
    learn(learner, 1)
    for name, tensor in learner.model.state_dict().items():
        if name.startswith("image_encoder.trunk."):
            assert torch.equal(tensor, before[name])


def test_a_part_that_the_model_has_not_is_told():
    with pytest.raises(ValueError, match=r"no part 'memory'; there are image_encoder"):
        Learner(small_model(), replace(RECIPE, lr_shares=(("memory", 0.5),)))


@pytest.mark.gpu
@pytest.mark.timeout(900)  # what is compiled there is compiled anew
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore")  # torch warns of its own code
def test_what_was_learned_compiled_in_bfloat16_on_a_gpu_goes_on_on_a_cpu(tmp_path: Path):
    recipe = replace(RECIPE, device="cuda", dtype="bfloat16", compiles=True)
    there = Learner(small_model().to("cuda"), recipe)
    clips = [SQUARES.make(i, 2) for i in range(2)]
    for _ in range(5):
        report = there.learn(collate(clips, torch.device("cuda"), 1), PLAN)
        assert math.isfinite(report.total)
    there.save(tmp_path / "state.pt")
    here = Learner(small_model(), RECIPE)
    here.restore(tmp_path / "state.pt")
    assert here.step == 5
    for name, tensor in there.weights().items():
        assert torch.equal(tensor.cpu(), here.weights()[name]), name
    assert all(math.isfinite(loss) for loss in learn(here, 2))


def test_the_stages_of_hiera_are_told_by_its_blocks():
    found = shares(small_model(replace(SMALL, trunk=SMALL_HIERA)))
    assert found["image_encoder.trunk.blocks.5.attn.qkv.weight"] == 0.5
    assert found["image_encoder.trunk.blocks.2.attn.qkv.weight"] == 0.25
    assert found["image_encoder.trunk.blocks.0.attn.qkv.weight"] == 0.0625
    assert found["image_encoder.trunk.pos_embed"] == 0.0625


def test_matrices_decay_and_vectors_and_codes_do_not():
    model = small_model()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decays = {
        names[id(parameter)]: group["weight_decay"] > 0
        for group in parameter_groups(model, RECIPE)
        for parameter in group["params"]
    }
    assert len(decays) == len(names)
    assert decays["memory_attention.layers.0.linear1.weight"]
    assert not decays["memory_attention.layers.0.linear1.bias"]
    assert decays["sam_mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"]
    assert decays["obj_ptr_tpos_proj.weight"]
    assert not decays["maskmem_tpos_enc"]
    assert not decays["sam_mask_decoder.mask_tokens.weight"]
    assert not decays["memory_encoder.fuser.layers.0.gamma"]


def test_one_bad_batch_does_not_end_a_run():
    learner = Learner(small_model(), RECIPE)
    before = learner.model.no_obj_ptr.clone()
    broken = batch()
    broken.pixels[0, 0, 0, 0, 0] = torch.nan
    assert not torch.isfinite(torch.tensor(learner.learn(broken, PLAN).norm))
    assert torch.equal(learner.model.no_obj_ptr, before)
    assert learner.step == 1
    learner.learn(batch(), PLAN)
    assert all(torch.isfinite(tensor).all() for tensor in learner.weights().values())


def test_a_run_that_learns_nothing_any_more_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sam2_rt.train.learner.MAX_BAD", 2)
    learner, broken = Learner(small_model(), RECIPE), batch()
    broken.pixels[0, 0, 0, 0, 0] = torch.nan
    learner.learn(broken, PLAN)
    with pytest.raises(Diverged, match="no finite gradient in 2 steps before 2"):
        learner.learn(broken, PLAN)


def test_batch_statistics_are_held_while_clips_are_long():
    recipe = replace(RECIPE, stages=(Stage(4, 2, 10),))
    learner = Learner(small_model(), recipe)
    norm = next(m for m in learner.model.modules() if isinstance(m, nn.BatchNorm2d))
    assert norm.running_mean is not None
    before = norm.running_mean.clone()
    learner.learn(batch(4), Plan("mask"))
    assert torch.equal(norm.running_mean, before)
    assert norm.weight.grad is not None
