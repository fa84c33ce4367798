import torch

from golden_data import assert_near, golden
from sam2_rt.model.mask_decoder import Candidates, choose_by_iou, choose_single, stability
from sam2_rt.model.sam2 import SAM2
from seeded import inputs

MODULES = golden("modules_tiny_2.1_256")


def decode(model: SAM2, batch: int = 1) -> Candidates:
    image = inputs("dec.emb", 1, 256, 16, 16) + inputs("dec.dense", 1, 256, 16, 16)
    high_resolution = (inputs("dec.h0", 1, 32, 64, 64), inputs("dec.h1", 1, 64, 32, 32))
    position = model.sam_prompt_encoder.grid_position(16)
    tokens = inputs("dec.sparse", 1, 3, 256)
    return model.sam_mask_decoder(
        image.expand(batch, -1, -1, -1), position, tokens.expand(batch, -1, -1), high_resolution
    )


def test_all_candidates_agree_with_the_official_decoder(tiny: SAM2):
    candidates = decode(tiny)
    assert_near(candidates.mask_logits[0], MODULES["decoder.masks"])
    assert_near(candidates.ious[0], MODULES["decoder.iou"])
    assert_near(candidates.tokens[0], MODULES["decoder.tokens"])
    assert_near(candidates.object_score, MODULES["decoder.score"])


def test_the_two_way_transformer_agrees_with_the_official_one(tiny: SAM2):
    queries, image = tiny.sam_mask_decoder.transformer(
        inputs("dec.emb", 1, 256, 16, 16),
        tiny.sam_prompt_encoder.grid_position(16),
        inputs("dec.sparse", 1, 3, 256),
    )
    assert_near(queries[0], MODULES["twoway.queries"])
    assert_near(image[0].flatten(1).T[::4, ::4], MODULES["twoway.keys"])


def test_stability_agrees_with_the_official_one(tiny: SAM2):
    assert_near(stability(decode(tiny).mask_logits[0]), MODULES["decoder.stability"])


def test_an_empty_mask_is_stable():
    assert stability(torch.full((8, 8), -9.0)) == 1


def test_rows_of_a_batch_are_decoded_apart(tiny: SAM2):
    one, three = decode(tiny), decode(tiny, batch=3)
    for a, b in zip(one, three, strict=True):
        torch.testing.assert_close(a.expand_as(b), b, rtol=1e-4, atol=1e-4)


def make_candidates(single: float, ious: list[float]) -> Candidates:
    """Mask i is filled with i + 1, mask 0 with `single`."""
    logits = torch.tensor([single, 2.0, 3.0, 4.0])[None, :, None, None].expand(1, 4, 8, 8)
    return Candidates(logits, torch.tensor([ious]), torch.arange(4.0)[None, :, None], torch.ones(1))


def test_ambiguity_is_settled_by_the_best_of_three():
    logits, iou, token = choose_by_iou(make_candidates(1.0, [0.9, 0.2, 0.8, 0.3]))
    assert (logits.unique().item(), round(iou.item(), 3), token.item()) == (3.0, 0.8, 2.0)


def test_a_stable_single_mask_stands():
    logits, iou, token = choose_single(make_candidates(1.0, [0.1, 0.2, 0.8, 0.3]))
    assert (logits.unique().item(), round(iou.item(), 3), token.item()) == (1.0, 0.1, 0.0)


def test_an_unstable_single_mask_gives_way_but_keeps_its_pointer():
    logits, iou, token = choose_single(make_candidates(0.0, [0.9, 0.2, 0.8, 0.3]))
    assert (logits.unique().item(), round(iou.item(), 3), token.item()) == (3.0, 0.8, 0.0)


def test_without_falling_back_a_clear_prompt_is_answered_by_mask_0_alone():
    unstable = make_candidates(0.01, [0.9, 0.2, 0.8, 0.3])
    logits, iou, token = choose_single(unstable, falls_back=False)
    assert (round(logits.unique().item(), 2), round(iou.item(), 3), token.item()) == (0.01, 0.9, 0)
