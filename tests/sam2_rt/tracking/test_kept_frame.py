import numpy as np
import torch

from sam2_rt.model.sam2 import Decoded, Embedding
from sam2_rt.tracking.kept_frame import KeptFrame, KeptFrames, Seen, to_mask, to_tensors
from sam2_rt.tracking.prompt import Point, Prompt

NOTHING = torch.zeros(1, 1, 1, 1)
CPU = torch.device("cpu")


def kept(index: int) -> KeptFrame:
    return KeptFrame(index, 3000 * index, Embedding(NOTHING, (NOTHING, NOTHING)))


def answer(mask_logits: torch.Tensor) -> Seen:
    return Seen(Decoded(mask_logits, NOTHING, NOTHING, NOTHING), 1.0, 1.0, is_finite=True)


def test_the_ring_keeps_the_last_few():
    frames = KeptFrames(3)
    for index in range(5):
        frames.add(kept(index))
    assert len(frames) == 3
    assert frames.newest.index == 4
    assert frames.at(6000).index == 2
    assert frames.at(3000) is None


def say(frame: KeptFrame, prompt: Prompt) -> Prompt:
    """Says it and has it answered."""
    whole = frame.whole(prompt)
    frame.note(whole, answer(torch.ones(2)))
    return whole


def test_what_was_answered_goes_before_what_was_found():
    frame, click = kept(0), Prompt(1, points=(Point(0.1, 0.1),))
    assert frame.previous(click) is None
    frame.found[1] = torch.zeros(2)
    assert frame.previous(click) is frame.found[1]
    say(frame, click)
    assert frame.previous(click) is frame.answered[1].decoded.mask_logits


def test_clear_takes_back_what_was_said_and_answered_but_not_what_was_found():
    frame = kept(0)
    frame.found[1] = torch.zeros(2)
    say(frame, Prompt(1, points=(Point(0.1, 0.1),)))
    again = Prompt(1, points=(Point(0.9, 0.9),), clear=True)
    assert frame.whole(again) is again
    assert frame.previous(again) is frame.found[1]


def test_what_is_said_of_one_track_is_not_said_of_another():
    frame = kept(0)
    say(frame, Prompt(1, points=(Point(0.1, 0.1),)))
    assert len(say(frame, Prompt(2, points=(Point(0.1, 0.1),))).points) == 1
    assert len(say(frame, Prompt(1, points=(Point(0.2, 0.2),))).points) == 2


def test_what_was_not_answered_was_not_said():
    frame = kept(0)
    frame.whole(Prompt(1, points=(Point(0.1, 0.1),)))
    assert len(frame.whole(Prompt(1, points=(Point(0.2, 0.2),))).points) == 1


def test_a_box_becomes_two_corners_before_the_clicks():
    prompt = Prompt(1, points=(Point(0.5, 0.25, is_positive=False),), box=(0.0, 0.125, 0.75, 1.0))
    tensors = to_tensors(prompt, torch.tensor([[-99.0, 99.0]]), 64, CPU)
    assert tensors.points.tolist() == [[[0, 8], [48, 64], [32, 16]]]
    assert tensors.labels.tolist() == [[2, 3, 0]]
    assert tensors.mask_logits is not None
    assert tensors.mask_logits.tolist() == [[[[-32, 32]]]]


def test_a_mask_is_not_kept_once_it_is_answered():
    frame = kept(0)
    say(frame, Prompt(1, points=(Point(0.1, 0.1),)))
    mask = Prompt(1, mask=np.ones((4, 4), bool))
    assert say(frame, mask) is mask
    assert frame.said == {}
    click = Prompt(1, points=(Point(0.2, 0.2),))
    assert say(frame, click) is click


def test_an_object_smaller_than_a_pixel_of_the_input_takes_the_nearest():
    mask = np.zeros((1000, 1000), bool)
    mask[500:504, 250:254] = True
    resized = to_mask(Prompt(1, mask=mask), 64)
    assert resized.nonzero().tolist() == [[0, 32, 16]]


def test_a_mask_may_be_any_view_of_an_array():
    mask = np.zeros((64, 64), bool)
    mask[:32] = True
    mask.setflags(write=False)
    assert to_mask(Prompt(1, mask=mask[::-1]), 64)[0, 32:].all()


def test_a_mask_takes_the_size_of_the_input():
    mask = np.zeros((90, 160), bool)
    mask[:45] = True
    resized = to_mask(Prompt(1, mask=mask), 64)
    assert resized.shape == (1, 64, 64)
    assert resized[0, :32].all()
    assert not resized[0, 32:].any()
