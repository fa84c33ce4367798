import numpy as np
import torch

from sam2_rt.data.sample import Sample
from sam2_rt.model import zoo
from sam2_rt.train.learner import Learner
from sam2_rt.train.recipe import Recipe, Stage
from sam2_rt.train.validate import validate
from squares import SQUARES

RECIPE = Recipe(image_size=64, stages=(Stage(1, 1, 5),), dtype="float32")
STILLS = [SQUARES.make(i, 1) for i in range(2)]
CLIP = SQUARES.make(5, 3)


def learner() -> Learner:
    torch.manual_seed(0)
    return Learner(zoo.build("nano", 64), RECIPE)


def test_the_same_weights_score_the_same_and_training_draws_on_undisturbed():
    subject = learner()
    before = torch.get_rng_state()
    first = validate(subject, STILLS, [CLIP])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert validate(subject, STILLS, [CLIP]) == first
    assert all(0 <= score <= 1 for score in first)


def test_the_running_means_are_scored_and_not_the_weights_of_the_moment():
    subject = learner()
    first = validate(subject, STILLS, [CLIP])
    with torch.no_grad():
        for parameter in subject.model.parameters():
            parameter.zero_()
    assert validate(subject, STILLS, [CLIP]) == first
    for mean in subject.mean.values():
        mean.zero_()
    assert validate(subject, STILLS, [CLIP]) != first


def test_frames_that_show_nothing_do_not_count():
    masklets = np.concatenate([CLIP.masklets, np.zeros_like(CLIP.masklets)], axis=1)
    longer = Sample(np.concatenate([CLIP.frames] * 2), masklets)
    subject = learner()
    assert validate(subject, STILLS, [longer]).clip == validate(subject, STILLS, [CLIP]).clip
