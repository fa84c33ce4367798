import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.progress import Progress
from safetensors import safe_open

from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import CheckpointError
from sam2_rt.train.batch import Batch
from sam2_rt.train.feed import FeedError
from sam2_rt.train.learner import Report
from sam2_rt.train.log import read
from sam2_rt.train.plan import Plan
from sam2_rt.train.recipe import Recipe, Stage
from sam2_rt.train.run import Run
from sam2_rt.train.saving import SavePace
from small_model import small_nano
from squares import SQUARES, NoMaker

RECIPE = Recipe(
    image_size=64,
    stages=(Stage(1, 2, 20, warmup=2), Stage(3, 1, 4, warmup=2)),
    validate_every=12,
    dtype="float32",
    threads=1,
)


@pytest.fixture(scope="module", autouse=True)
def little_is_learned_and_validated() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sam2_rt.train.run.VALIDATED_STILLS", 2)
        patch.setattr("sam2_rt.train.run.VALIDATED_CLIPS", 1)
        small_nano(patch)
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped in its first stage and went on."""
    folder = tmp_path_factory.mktemp("run")
    first = Run(RECIPE, folder, SQUARES)
    take = first.learner.learn

    def stop_after_15(*arguments) -> Report:
        if first.learner.step == 14:
            first.stop()
        return take(*arguments)

    first.learner.learn = stop_after_15
    with Progress(disable=True) as progress:
        first.go(progress)
    assert not first.is_done
    second = Run(RECIPE, folder, SQUARES)
    assert second.learner.step == 15
    with Progress(disable=True) as progress:
        second.go(progress)
    return folder


def test_a_stopped_run_goes_on_to_the_end(done: Path):
    assert Run(RECIPE, done, SQUARES).learner.step == RECIPE.num_steps


def test_the_log_has_losses_and_validations(done: Path):
    lines = read(done / "log.jsonl")
    assert [line.step for line in lines] == [12, 20, 24]
    assert [line.loss is None for line in lines] == [True, False, True]
    assert [line.clip is None for line in lines] == [False, True, False]
    assert [line.frames for line in lines] == [1, 1, 3]
    assert json.loads((done / "log.jsonl").read_text().splitlines()[1])["lr"] > 0


def test_the_weights_are_a_checkpoint_of_half_the_size(done: Path):
    model = zoo.load("nano", done / "weights.safetensors", image_size=64)
    assert torch.isfinite(model.encode_image(torch.zeros(1, 3, 64, 64)).feature).all()
    floats = sum(tensor.numel() for tensor in model.state_dict().values())
    assert (done / "weights.safetensors").stat().st_size < 3 * floats
    assert (done / "loss.png").stat().st_size > 10_000


def test_weights_tell_their_step_and_those_of_validations_may_be_kept(tmp_path: Path):
    recipe = replace(RECIPE, stages=(Stage(1, 1, 3),), validate_every=2, keeps_weights=True)
    with Progress(disable=True) as progress:
        Run(recipe, tmp_path, SQUARES).go(progress)
    steps = {}
    for file in tmp_path.glob("*.safetensors"):
        with safe_open(file, "pt") as opened:
            steps[file.name] = opened.metadata()["step"]
    assert steps == {"weights.safetensors": "3", "weights-2.safetensors": "2"}


def test_training_may_begin_from_weights(done: Path, tmp_path: Path):
    weights = done / "weights.safetensors"
    run = Run(replace(RECIPE, init=weights), tmp_path, SQUARES)
    fresh = Run(RECIPE, tmp_path / "other", SQUARES)
    name = "image_encoder.neck.convs.0.conv.weight"
    begun, trained = run.learner.weights()[name], Run(RECIPE, done, SQUARES).learner.weights()[name]
    torch.testing.assert_close(begun, trained, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(begun, fresh.learner.weights()[name], atol=1e-3)


def test_stills_are_learned_from_between_clips(tmp_path: Path):
    stages = (Stage(2, 1, 12, warmup=2),)
    run = Run(replace(RECIPE, stages=stages, stills=0.5, still_clips=3), tmp_path, SQUARES)
    learned: list[tuple[int, int]] = []
    take = run.learner.learn

    def noted(batch: Batch, plan: Plan) -> Report:
        learned.append((len(batch.pixels), batch.num_frames))
        return take(batch, plan)

    run.learner.learn = noted
    with Progress(disable=True) as progress:
        run.go(progress)
    assert set(learned) == {(1, 2), (3, 1)}


def test_weights_of_another_model_are_refused(done: Path, tmp_path: Path):
    recipe = Recipe(model="sam2.1-hiera-tiny", init=done / "weights.safetensors", image_size=64)
    with pytest.raises(CheckpointError, match=r"is no checkpoint of sam2.1-hiera-tiny"):
        Run(recipe, tmp_path, SQUARES)


def test_what_was_learned_is_kept_when_the_workers_die(tmp_path: Path):
    run = Run(RECIPE, tmp_path, SQUARES)
    run.build = NoMaker()
    with Progress(disable=True) as progress, pytest.raises(FeedError):
        run.go(progress)
    assert (tmp_path / "state.pt").exists()


def test_a_run_is_saved_between_its_steps_by_the_clock(tmp_path: Path):
    run = Run(replace(RECIPE, stages=(Stage(1, 1, 12),)), tmp_path, SQUARES)
    run._pace = SavePace(45, now=lambda: 9.0 * run.learner.step)  # each step takes nine seconds
    saved: list[int] = []
    write = run.learner.save

    def noted(path: Path) -> None:
        saved.append(run.learner.step)
        write(path)

    run.learner.save = noted
    with Progress(disable=True) as progress:
        run.go(progress)
    assert saved == [6, 12, 12]  # after 54 s, for validation, and at the end


def test_a_run_that_is_killed_goes_on_from_its_last_periodic_save(tmp_path: Path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rich.progress import Progress\n"
        "from sam2_rt.train import run as module\n"
        "from sam2_rt.train.recipe import Recipe, Stage\n"
        "from pytest import MonkeyPatch\n"
        "from small_model import small_nano\n"
        "from squares import SQUARES\n"
        "if __name__ == '__main__':\n"
        "    small_nano(MonkeyPatch())\n"
        "    module.VALIDATED_STILLS = module.VALIDATED_CLIPS = 1\n"
        "    recipe = Recipe(image_size=64, stages=(Stage(1, 1, 10**6),), validate_every=10**6,\n"
        "        dtype='float32', threads=1, save_every_s=0.2)\n"
        "    run = module.Run(recipe, Path(sys.argv[1]), SQUARES)\n"
        "    save = run.save\n"
        "    run.save = lambda: (save(), print(run.learner.step, flush=True))\n"
        "    with Progress(disable=True) as progress:\n"
        "        run.go(progress)\n"
    )
    script = tmp_path / "train.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["tests", *sys.path])}
    command = [sys.executable, str(script), str(tmp_path / "run")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(3)]
        child.kill()
        told += [int(line) for line in child.stdout.read().split()]
    assert child.returncode == -signal.SIGKILL
    assert 0 < told[0] < told[1] < told[2]
    again = Run(replace(RECIPE, stages=(Stage(1, 1, 10**6),)), tmp_path / "run", SQUARES)
    assert again.learner.step >= told[-1]
    with Progress(disable=True) as progress:
        again.stop()
        again.go(progress)
    assert again.learner.step >= told[-1]


def test_a_run_that_is_killed_while_it_saves_goes_on_from_the_state_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        """As SIGKILL: nothing that is written after it."""

    run = Run(RECIPE, tmp_path, SQUARES)
    run.learner.step = 7
    run.save()
    run.learner.step = 9

    def killed(state: object, path: Path) -> None:
        path.write_bytes((tmp_path / "state.pt").read_bytes()[:5000])
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        with pytest.raises(Killed):
            run.save()
    assert (tmp_path / "state.part").stat().st_size == 5000
    again = Run(RECIPE, tmp_path, SQUARES)
    assert again.learner.step == 7
    again.save()
    assert Run(RECIPE, tmp_path, SQUARES).learner.step == 7


def test_no_length_of_clips_is_learned_from_what_is_validated_or_evaluated_on(tmp_path: Path):
    run = Run(RECIPE, tmp_path, SQUARES)
    other = Run(replace(RECIPE, seed=1), tmp_path / "other", SQUARES)
    seeds = [r._feed(n).config.first_seed for r in (run, other) for n in (1, 8, 9, 10, 16)]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 10**10
