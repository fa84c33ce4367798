"""Validation: how well the running means do on made-up samples that are never learned from."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from sam2_rt.data.sample import Sample
from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.train.batch import collate
from sam2_rt.train.learner import Learner, arithmetic
from sam2_rt.train.plan import Plan
from sam2_rt.train.unroll import unroll

FIRST_SEED = 900_000_000
"""Of samples to validate on; training counts from 0 and evaluation from 10**9."""


class Scores(NamedTuple):
    """Mean IoU of the best of three masks."""

    click: float
    """Of one click on a still."""
    box: float
    clip: float
    """Over the frames that follow a given mask and show an object."""


@torch.no_grad()
def validate(learner: Learner, stills: Sequence[Sample], clips: Sequence[Sample]) -> Scores:
    """The same samples and clicks each time."""
    recipe = learner.recipe
    # manual_seed() seeds GPUs as well: unless theirs is kept, training would draw the same clicks
    # again after each validation.
    kept = [learner.device] if learner.device.type == "cuda" else []
    with torch.random.fork_rng(devices=kept):
        model = zoo.build(recipe.model, recipe.image_size).to(learner.device)
        model.load_state_dict({**model.state_dict(), **learner.weights()})
        model.eval()
        torch.manual_seed(0)
        return Scores(
            _mean_iou(model, stills, Plan("click"), recipe.dtype),
            _mean_iou(model, stills, Plan("box"), recipe.dtype),
            _mean_iou(model, clips, Plan("mask"), recipe.dtype),
        )


def _mean_iou(model: SAM2, samples: Sequence[Sample], plan: Plan, dtype: str) -> float:
    device = model.no_obj_ptr.device
    found = []
    for sample in samples:
        with arithmetic(device, dtype):
            losses = unroll(model, collate([sample], device, max_rows=4), plan)
        found += [each.found_iou for each in losses]
    return float(torch.stack(found).nanmean())
