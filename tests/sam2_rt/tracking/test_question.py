from dataclasses import replace

import numpy as np
import pytest
import torch

from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.batch import encode
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.kept_frame import KeptFrame
from sam2_rt.tracking.memory_bank import Memory, MemoryBank
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.question import Kind, Question, answer, reply

SQUARE = np.zeros((48, 64), np.bool_)
SQUARE[10:20, 30:44] = True
CLICK = Prompt(1, points=(Point(0.3, 0.5),))
TWO = Prompt(1, points=(Point(0.3, 0.5), Point(0.8, 0.2, is_positive=False)))
BOX = Prompt(1, box=(0.2, 0.2, 0.6, 0.7))
MASK = Prompt(1, mask=SQUARE)


@pytest.fixture
def calls(model: SAM2) -> Calls:
    return Calls(model)


@pytest.fixture
def questions(calls: Calls, frames: list[Frame]) -> list[Question]:
    """Of two frames and two tracks: one that begins and one that remembers a frame."""
    config = calls.model.config
    pool = MemoryPool(config, 2, 2, torch.device("cpu"))
    banks = [MemoryBank(pool), MemoryBank(pool)]
    torch.manual_seed(0)
    side = config.grid
    banks[1].condition(
        Memory(0, torch.randn(config.memory_dim, side, side), torch.randn(config.dim))
    )
    with torch.inference_mode():
        embeddings = encode(calls, frames[:2])
    kept = [KeptFrame(i + 1, 0, embedding) for i, embedding in enumerate(embeddings)]
    kept[1].found[1] = torch.randn(4 * side, 4 * side)
    reads = banks[1].choose(2)
    return [
        Question(kept[0], CLICK, banks[0], None),
        Question(kept[1], CLICK, banks[1], reads),
        Question(kept[0], MASK, banks[0], None),
        Question(kept[0], BOX, banks[0], None),
        Question(kept[1], TWO, banks[1], reads),
        Question(kept[0], replace(CLICK, points=(Point(0.7, 0.7),)), banks[0], None),
        Question(kept[1], MASK, banks[1], reads),
    ]


def test_questions_of_one_kind_have_rows_of_one_shape(questions: list[Question]):
    assert [question.kind for question in questions] == [
        Kind(is_mask=False, num_points=1, corrects=False, remembers=False),
        Kind(is_mask=False, num_points=1, corrects=True, remembers=True),
        Kind(is_mask=True, num_points=0, corrects=False, remembers=False),
        Kind(is_mask=False, num_points=2, corrects=False, remembers=False),
        Kind(is_mask=False, num_points=2, corrects=True, remembers=True),
        Kind(is_mask=False, num_points=1, corrects=False, remembers=False),
        Kind(is_mask=True, num_points=0, corrects=False, remembers=False),
    ]


@torch.inference_mode()
def test_each_is_answered_as_it_is_alone_and_in_order(calls: Calls, questions: list[Question]):
    together = answer(calls, questions)
    for question, ours in zip(questions, together, strict=True):
        [alone] = answer(calls, [question])
        for one, other in zip(ours.seen.decoded, alone.seen.decoded, strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(ours.memory, alone.memory, atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_a_reply_to_nothing_is_nothing(calls: Calls):
    assert reply(calls, []) == []
