"""Unrolls the tracker's own step over a clip, with a simulated user, and judges each answer."""

import torch
from torch import Tensor

from sam2_rt.model.sam2 import SAM2, Decoded, Embedding, Memories, PromptTensors
from sam2_rt.tracking.memory_policy import Attended, choose
from sam2_rt.tracking.track_step import Answer, Step, answer, recall, remember
from sam2_rt.train.batch import Batch
from sam2_rt.train.clicks import correct, first_click, jittered_box
from sam2_rt.train.loss import Losses, judge
from sam2_rt.train.plan import Plan

FIRST_PROMPT = {"click": first_click, "box": jittered_box}


def unroll(model: SAM2, batch: Batch, plan: Plan) -> list[Losses]:
    """The losses of every answer: frame 0 is prompted as planned, the rest is tracked.

    Gradients flow through the memory, but not into the plan's lead, whose answers are not judged.
    """
    return _Unrolled(model, batch, plan).run()


class _Unrolled:
    """One clip a batch; all rows have the same frames behind them, so no bank is padded."""

    def __init__(self, model: SAM2, batch: Batch, plan: Plan) -> None:
        self.model, self.batch, self.plan = model, batch, plan
        self.steps: dict[int, Step] = {}
        self.conditioning: list[int] = []
        self.losses: list[Losses] = []
        self.encoded = range(0)
        self.embedding: Embedding  # of the frames `encoded` of all clips

    def run(self) -> list[Losses]:
        """Frame after frame."""
        lead = self.plan.lead
        if lead > 0:
            with torch.no_grad():
                self._play(range(lead))
            self.losses.clear()
        self._play(range(lead, self.batch.num_frames))
        return self.losses

    def _play(self, frames: range) -> None:
        pixels = self.batch.pixels[:, frames.start : frames.stop]
        self.encoded, self.embedding = frames, self.model.encode_image(pixels.flatten(0, 1))
        for index in frames:
            self._remember(index, self._prompt(index) if index == 0 else self._follow(index))

    def _prompt(self, index: int) -> Decoded:
        """The track begins: a mask is adopted; a click or a box is answered, and corrected."""
        here = self._frame(index)
        if self.plan.first == "mask":
            return self.model.adopt_mask(here, self.batch.masks[:, index])
        coverage, known = self.batch.coverage[:, index], self.batch.known[:, index]
        feature = recall(self.model, here, None)
        prompt = FIRST_PROMPT[self.plan.first](coverage)
        given = self._answer(index, here, feature, prompt)
        for _ in range(self.plan.corrections):
            prompt = correct(prompt, coverage, known, given.mask_logits)
            given = self._answer(index, here, feature, prompt)
        return given

    def _follow(self, index: int) -> Decoded:
        """The track goes on, and is corrected where the plan says so."""
        here = self._frame(index)
        feature = recall(self.model, here, self._memories(index))
        given = self._answer(index, here, feature, None)
        if index == self.plan.corrected:
            coverage, known = self.batch.coverage[:, index], self.batch.known[:, index]
            prompt = correct(None, coverage, known, given.mask_logits)
            given = self._answer(index, here, feature, prompt)
        return given

    def _answer(
        self, index: int, here: Embedding, feature: Tensor, prompt: PromptTensors | None
    ) -> Decoded:
        given: Answer = answer(self.model, here, feature, prompt)
        truth, known = self.batch.coverage[:, index], self.batch.known[:, index]
        is_ambiguous = prompt is None or prompt.points.shape[1] <= 1
        self.losses.append(judge(given.candidates, truth, known, is_ambiguous=is_ambiguous))
        return given.decoded

    def _remember(self, index: int, decoded: Decoded) -> None:
        if index + 1 == self.batch.num_frames:
            return  # nobody would read it
        is_prompted = index in (0, self.plan.corrected)
        self.steps[index] = remember(
            self.model, self._frame(index), decoded, is_prompted=is_prompted
        )
        if is_prompted:
            self.conditioning.append(index)

    def _memories(self, index: int) -> Memories:
        """What is read in frame `index`, by the policy that serving has."""
        recent = self.steps.keys() - set(self.conditioning)
        choice = choose(index, self.conditioning, recent, recent)
        memories = [self.steps[a.frame].memory for a in choice.memories]
        pointers = [self.steps[a.frame].decoded.object_pointer for a in choice.pointers]
        return Memories(
            torch.stack(memories, dim=1),
            self._ages(choice.memories),
            torch.stack(pointers, dim=1),
            self._ages(choice.pointers),
            None,
            None,
        )

    def _ages(self, attended: tuple[Attended, ...]) -> Tensor:
        ages = torch.tensor([[a.age for a in attended]], device=self.batch.clip.device)
        return ages.expand(len(self.batch.clip), -1)

    def _frame(self, index: int) -> Embedding:
        """The embedding of frame `index` for each row."""

        def rows(encoded: Tensor) -> Tensor:
            of_clips = encoded.unflatten(0, (-1, len(self.encoded)))
            return of_clips[self.batch.clip, index - self.encoded.start]

        stride_4, stride_8 = self.embedding.high_resolution
        return Embedding(rows(self.embedding.feature), (rows(stride_4), rows(stride_8)))
