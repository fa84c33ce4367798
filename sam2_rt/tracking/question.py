"""Question: a prompt on its way to the model. Those of many streams are answered as one batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sam2_rt.model.sam2 import PromptTensors
from sam2_rt.tracking.batch import Found, Search, gather, look, read
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.kept_frame import KeptFrame, Seen, to_mask, to_tensors
from sam2_rt.tracking.memory_bank import MemoryBank, pack
from sam2_rt.tracking.memory_policy import Choice
from sam2_rt.tracking.prompt import Prompt
from sam2_rt.tracking.track_step import Step, adopt_step, track_step
from sam2_rt.tracking.transfer import send


class Kind(NamedTuple):
    """What the rows of a batch of questions have in common.

    Points are not padded: one that is none is a token that the decoder attends to, and moves nano's
    logits by up to 0.7.
    """

    is_mask: bool
    num_points: int
    """With a box's two corners."""
    corrects: bool
    """A mask is there to start from."""
    remembers: bool


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """All that was said of one track in one frame, and what the track knows."""

    kept: KeptFrame
    prompt: Prompt
    bank: MemoryBank
    choice: Choice | None
    """What the track reads; None: it begins in this frame."""

    @property
    def kind(self) -> Kind:
        """Questions of one kind go together."""
        prompt, has_mask = self.prompt, self.prompt.mask is not None
        corrects = not has_mask and self.kept.previous(prompt) is not None
        num_points = len(prompt.points) + (2 if prompt.box is not None else 0)
        return Kind(has_mask, num_points, corrects, self.choice is not None and not has_mask)


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What the model said."""

    seen: Seen
    memory: Tensor
    """[memory_dim, g, g], not remembered yet"""


Asking = Sequence[Search | Question]
Replies = Sequence[Found | Answered]


def reply(calls: Calls, asked: Asking) -> list[Found | Answered]:
    """One for each, in order; searches as one batch, questions as one a kind."""
    found = iter(look(calls, [one for one in asked if isinstance(one, Search)]))
    answered = iter(answer(calls, [one for one in asked if isinstance(one, Question)]))
    return [next(found) if isinstance(one, Search) else next(answered) for one in asked]


def answer(calls: Calls, questions: Sequence[Question]) -> list[Answered]:
    """One batch a kind, and one wait for all of them; in order."""
    kinds: dict[Kind, list[int]] = {}
    for place, question in enumerate(questions):
        kinds.setdefault(question.kind, []).append(place)
    steps = [_answer(calls, [questions[p] for p in places]) for places in kinds.values()]
    answered: dict[int, Answered] = {}
    for places, step, seen in zip(kinds.values(), steps, read(steps), strict=True):
        rows = zip(places, seen, step.memory, strict=True)
        answered |= {place: Answered(one, memory) for place, one, memory in rows}
    return [answered[place] for place in range(len(questions))]


def _answer(calls: Calls, questions: Sequence[Question]) -> Step:
    """Of one kind, a row each."""
    model = calls.model
    size, device = model.config.image_size, model.no_obj_ptr.device
    kind = questions[0].kind
    embedding = gather([question.kept.embedding for question in questions])
    if kind.is_mask:
        masks = torch.cat([to_mask(question.prompt, size) for question in questions])
        return adopt_step(model, embedding, send(masks, device))
    banks = [question.bank for question in questions]
    choices = [question.choice for question in questions if question.choice is not None]
    memories = pack(banks, choices) if kind.remembers else None
    rows = [to_tensors(q.prompt, q.kept.previous(q.prompt), size, device) for q in questions]
    points = torch.cat([row.points for row in rows])
    labels = torch.cat([row.labels for row in rows])
    given = [row.mask_logits for row in rows if row.mask_logits is not None]
    prompts = PromptTensors(points, labels, torch.cat(given) if given else None)
    return track_step(model, embedding, memories, prompts)
