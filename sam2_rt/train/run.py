"""A run of training: feeds, steps, validation, the log and the files to go on from."""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from threading import Event

import torch
from rich.progress import Progress
from safetensors.torch import save_file

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import read_checkpoint
from sam2_rt.model.sam2 import SAM2
from sam2_rt.train.batch import collate
from sam2_rt.train.feed import Feed, FeedConfig, FeedError
from sam2_rt.train.learner import Learner, Report, seeded
from sam2_rt.train.log import Line, Log, read
from sam2_rt.train.maker import Maker, make_usable
from sam2_rt.train.plan import draw_plan, draw_played
from sam2_rt.train.plot import draw
from sam2_rt.train.recipe import Recipe, Stage
from sam2_rt.train.saving import SavePace
from sam2_rt.train.validate import FIRST_SEED, validate

LOG_EVERY = 20
VALIDATED_STILLS, VALIDATED_CLIPS, VALIDATED_FRAMES = 24, 8, 6
SEEDS_A_STEP = 64
"""More samples than a step makes: a feed that begins later makes others."""
SEEDS_A_LENGTH = 10**11
"""Clips of each length have seeds of their own, above those of validation and evaluation."""
SEEDS_A_RUN = 10**14
"""And runs of each seed."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a run keeps what it makes."""

    folder: Path

    @property
    def state(self) -> Path:
        """To go on from."""
        return self.folder / "state.pt"

    @property
    def weights(self) -> Path:
        """The running means, for evaluation and shipping."""
        return self.folder / "weights.safetensors"

    def weights_at(self, step: int) -> Path:
        """Of a validation, where those are kept."""
        return self.folder / f"weights-{step}.safetensors"

    @property
    def log(self) -> Path:
        """JSON lines."""
        return self.folder / "log.jsonl"

    @property
    def skipped(self) -> Path:
        """What could not be used, counted since the run was last started: JSON lines."""
        return self.folder / "skipped.jsonl"

    @property
    def plot(self) -> Path:
        """The curve."""
        return self.folder / "loss.png"


class Run:
    """Goes from where the folder's state is to the end of the recipe."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        build: Callable[[], Maker],
        left_out: Sequence[Skipped] = (),
    ) -> None:
        """`build` makes what makes samples, once in each worker; `left_out` is never tried.

        Raises NothingUsable if there are no samples to validate on.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.recipe, self.files, self.build = recipe, Files(folder), build
        if recipe.threads is not None:
            torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.learner = Learner(begin(recipe), recipe)
        self.changes: tuple[str, ...] = ()
        """What the recipe says otherwise than that of the run which goes on."""
        if self.files.state.exists():
            self.changes = self.learner.restore(self.files.state)
        self.log = Log(self.files.log)
        maker = build()
        num_frames = min(VALIDATED_FRAMES, recipe.longest_clip)
        stills = make_usable(maker, count(FIRST_SEED), 1)
        clips = make_usable(maker, count(FIRST_SEED + 1000), num_frames)
        self._stills = list(islice(stills, VALIDATED_STILLS))
        self._clips = list(islice(clips, VALIDATED_CLIPS))
        self._skipped_before = Counter(left_out) + Counter(dict(maker.skipped))
        self._feeds: set[Feed] = set()
        self._pace = SavePace(recipe.save_every_s)
        self._stopping = Event()

    @property
    def is_done(self) -> bool:
        """Whether the recipe is at its end."""
        return self.learner.step >= self.recipe.num_steps

    @property
    def skipped(self) -> Counter[Skipped]:
        """What could not be used so far, and how often; as in the file."""
        return sum((feed.skipped for feed in self._feeds), self._skipped_before)

    def stop(self) -> None:
        """After the step that is being taken; may be called by a signal's handler."""
        self._stopping.set()

    def go(self, progress: Progress) -> None:
        """All that is left, or up to stop(), and saves; the same run made anew goes on from there.

        Raises FeedError, having saved, and Diverged.
        """
        try:
            self._learn(progress)
        except FeedError:
            self.save()
            raise
        self.save()

    def _learn(self, progress: Progress) -> None:
        recipe, learner = self.recipe, self.learner
        task = progress.add_task("", total=recipe.num_steps, completed=learner.step)
        while not (self.is_done or self._stopping.is_set()):
            _, stage, within = recipe.at(learner.step)
            with ExitStack() as stack:
                clips = stack.enter_context(self._feed(stage.num_frames))
                has_stills = stage.num_frames > 1 and recipe.stills > 0
                stills = stack.enter_context(self._feed(1)) if has_stills else clips
                self._feeds = {clips, stills}
                for _ in range(stage.steps - within):
                    report = self._step(stage, clips, stills)
                    progress.update(task, completed=learner.step, description=_said(stage, report))
                    if self._stopping.is_set():
                        break
            self._skipped_before, self._feeds = self.skipped, set()

    def _feed(self, num_frames: int) -> Feed:
        """Of samples that no earlier feed of this run has made."""
        recipe = self.recipe
        first_seed = self.learner.step * SEEDS_A_STEP + num_frames * SEEDS_A_LENGTH
        first_seed += recipe.seed * SEEDS_A_RUN
        config = FeedConfig(
            num_frames, first_seed, workers=recipe.workers, reuse=recipe.reuse, cuts=recipe.cuts
        )
        return Feed(config, self.build)

    def _step(self, stage: Stage, clips: Feed, stills: Feed) -> Report:
        """A step on clips, or, when stills have a feed of their own, on those now and then."""
        learner, recipe = self.learner, self.recipe
        rng = seeded(recipe.seed, learner.step)
        is_still = stills is not clips and rng.random() < recipe.stills
        samples = stills.draw(recipe.still_clips) if is_still else clips.draw(stage.clips)
        played = draw_played(rng, samples[0].num_frames)
        batch = collate([one.at(played) for one in samples], learner.device, stage.max_rows)
        lr = stage.lr_at(recipe.at(learner.step)[2])
        report = learner.learn(batch, draw_plan(rng, batch.num_frames))
        line = Line(learner.step, round(self.log.hours, 4), stage.num_frames, lr)
        if learner.step % LOG_EVERY == 0:
            waited_s = round(sum(feed.waited_s for feed in {clips, stills}), 2)
            loss, found_iou = _finite(report.total), _finite(report.found_iou)
            self.log.write(replace(line, loss=loss, found_iou=found_iou, waited_s=waited_s))
        if learner.step % self.recipe.validate_every == 0:
            self.save()  # validation takes a while, in which a killed run would lose more
            if recipe.keeps_weights:
                export(learner, self.files.weights_at(learner.step))
            click, box, clip = validate(learner, self._stills, self._clips)
            self.log.write(replace(line, click=click, box=box, clip=clip))
        if self._pace.is_due():
            self.save()
        return report

    def save(self) -> None:
        """State, weights and plot."""
        with self._pace.saving():
            self.learner.save(self.files.state)
            export(self.learner, self.files.weights)
            draw(read(self.files.log), self.files.plot)
            told = (_told(skipped, times) for skipped, times in self.skipped.most_common())
            self.files.skipped.write_text("".join(told))


def begin(recipe: Recipe) -> SAM2:
    """The model to learn with: of given weights, an official model's own, or random ones."""
    path = recipe.init or zoo.cached(recipe.model)
    model = zoo.build(recipe.model, recipe.image_size)
    if recipe.init is not None or zoo.find(recipe.model).source is not None:
        if path is None:
            raise zoo.NotFetched(f"run `sam2-rt models fetch {recipe.model}` first, or give --init")
        model.load_state_dict(read_checkpoint(path, model.config, recipe.model))
    return zoo.lay_out(model.to(recipe.device))


def export(learner: Learner, path: Path) -> None:
    """The running means as fp16 safetensors that tell their step; in one piece or not at all."""
    part = path.with_suffix(".part")
    weights = {n: t.half().cpu().contiguous() for n, t in learner.weights().items()}
    save_file(weights, part, {"step": str(learner.step)})
    part.replace(path)


def _finite(measured: float) -> float | None:
    """None for what could not be measured, as JSON has no NaN."""
    return measured if math.isfinite(measured) else None


def _told(skipped: Skipped, times: int) -> str:
    fields = {"name": skipped.name, "reason": skipped.reason, "times": times}
    return json.dumps(fields) + "\n"


def _said(stage: Stage, report: Report) -> str:
    return f"{stage.num_frames} frames  loss {report.total:.3f}  IoU {report.found_iou:.3f}"
