import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from sam2_rt.cli import app
from sam2_rt.model import zoo
from sam2_rt.train.batch import Batch
from sam2_rt.train.commands import begun_from, parse_shares, parse_stages
from sam2_rt.train.learner import Learner, Report
from sam2_rt.train.log import read
from sam2_rt.train.plan import Plan
from sam2_rt.train.recipe import Stage
from small_model import small_nano, small_official, write_official
from tiny_datasets import write_mostly_broken, write_sav, write_shared


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def sav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good videos, and one whose labels are cut off."""
    folder = tmp_path_factory.mktemp("sav")
    for name in ("one", "two"):
        write_sav(folder, name)
    (write_sav(folder, "bad") / "bad_manual.json").write_text("{")
    return folder


@pytest.fixture(autouse=True)
def little_is_learned_and_validated(monkeypatch: pytest.MonkeyPatch):
    small_nano(monkeypatch)
    monkeypatch.setattr("sam2_rt.train.run.VALIDATED_STILLS", 2)
    monkeypatch.setattr("sam2_rt.train.run.VALIDATED_CLIPS", 1)


def test_fine_tuning_an_official_model_lowers_the_loss_and_leaves_a_frozen_trunk(
    sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sam2_rt.train.run.LOG_EVERY", 1)
    begun = write_official(tmp_path / "tiny.pt", small_official(monkeypatch))
    steps = 24
    result = invoke(
        "train", "--out", tmp_path, "--init", tmp_path / "tiny.pt", "--model", "sam2.1-hiera-tiny",
        "--trunk-lr", 0, "--stages", f"2x2x{steps}@3e-3", "--scenes", 0, "--real", 1,
        "--data", sav, "--dtype", "float32", "--threads", 1, "--reuse", 50,
        "--validate-every", steps,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    lines = [line for line in read(tmp_path / "log.jsonl") if line.loss is not None]
    losses = [line.loss for line in lines if line.loss is not None]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert all(line.waited_s is not None and line.waited_s >= 0 for line in lines)
    learned = torch.load(tmp_path / "state.pt", weights_only=True)["model"]
    is_trunk = {name: name.startswith("image_encoder.trunk.") for name in begun}
    assert all(torch.equal(learned[n], begun[n]) for n in begun if is_trunk[n])
    assert not all(torch.equal(learned[n], begun[n]) for n in begun if not is_trunk[n])
    trained = zoo.load("sam2.1-hiera-tiny", tmp_path / "weights.safetensors", folds=False)
    for name, tensor in trained.state_dict().items():
        if is_trunk[name]:
            assert torch.equal(tensor, begun[name].half().float()), name
    assert "skipped bad:" in result.output
    assert "1 videos skipped" in result.output
    [skipped] = map(json.loads, (tmp_path / "skipped.jsonl").read_text().splitlines())
    assert (skipped["name"], skipped["times"]) == ("bad", 1)
    assert "bad_manual.json" in skipped["reason"]


def test_nine_bad_videos_among_ten_are_named_and_counted_and_the_run_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sam2_rt.data.mixture.MAX_TRIES", 2)  # of the samples to validate on
    data = write_mostly_broken(tmp_path / "data", 8)
    write_shared(data, "short", every=8)
    result = invoke(
        "train", "--out", tmp_path / "run", "--image-size", 64, "--stages", "3x1x3",
        "--scenes", 0, "--real", 1, "--data", data, "--reuse", 9,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "skipped short: 2 annotated frames of 3" in result.output
    times: Counter[str] = Counter()
    for line in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines():
        fields = json.loads(line)  # each broken picture of a video is a reason of its own
        times[fields["name"]] += fields["times"]
    assert times["short"] == 1
    assert times.keys() == {"short", *(f"data: bad{number}" for number in range(8))}
    assert f"{times.total()} times something was skipped" in " ".join(result.output.split())


def test_a_folder_of_videos_shorter_than_the_clips_is_told_at_once(tmp_path: Path):
    write_shared(tmp_path / "data", "brief", every=2)
    result = invoke(
        "train", "--out", tmp_path, "--scenes", 0, "--real", 1, "--data", tmp_path / "data"
    )
    assert result.exit_code == 2
    said = " ".join(result.output.replace("│", " ").split())
    assert "1 skipped, the first for brief: 5 annotated frames of 8" in said
    assert not (tmp_path / "state.pt").exists()


def test_a_run_in_the_folder_goes_on(sav: Path, tmp_path: Path):
    options = ("--image-size", 64, "--scenes", 0, "--real", 1, "--data", sav, "--reuse", 50)
    for steps in (2, 3):
        result = invoke("train", "--out", tmp_path, "--stages", f"1x2x{steps}", *options)
        assert result.exit_code == 0, result.output
        assert f"{steps}/{steps}" in result.output
    assert "goes on from step 2" in result.output
    assert "changed since then: stages" in result.output
    assert (tmp_path / "state.pt").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_end_saves_its_last_step(
    number: signal.Signals, sav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    learn = Learner.learn

    def ended_in_step_2(learner: Learner, batch: Batch, plan: Plan) -> Report:
        if learner.step == 1:
            os.kill(os.getpid(), number)
        return learn(learner, batch, plan)

    monkeypatch.setattr(Learner, "learn", ended_in_step_2)
    before = signal.getsignal(number)
    result = invoke(
        "train", "--out", tmp_path, "--image-size", 64, "--stages", "1x1x9",
        "--scenes", 0, "--real", 1, "--data", sav,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "stopped at step 2; the same command goes on" in result.output
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 2
    assert signal.getsignal(number) is before


def test_weights_are_named_by_file_or_by_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path / "nano.safetensors")
    (tmp_path / "nano.safetensors").touch()
    assert begun_from(None, None) == ("nano", None)
    assert begun_from(None, "nano") == ("nano", tmp_path / "nano.safetensors")
    assert begun_from("sam2.1-hiera-tiny", "a.pt") == ("sam2.1-hiera-tiny", Path("a.pt"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(zoo.NotFetched, match=r"models fetch sam2.1-hiera-tiny"):
        begun_from(None, "sam2.1-hiera-tiny")


def test_given_weights_are_tuned_gently_and_none_are_taught():
    assert parse_stages("8x1x5", default_lr=1e-5)[0].lr == 1e-5
    assert parse_stages("8x1x5@2e-4", default_lr=1e-5)[0].lr == 2e-4
    assert parse_stages("8x1x5")[0].lr == 1e-3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--stages", "8x3"), "'8x3' is no stage"),
        (("--stages", "1x0x5"), "'1x0x5' is no stage"),
        (("--scenes", "0"), "no source has a share"),
        (("--model", "sam3"), "no model is called 'sam3'"),
        (("--init", "nowhere.pt"), "nowhere.pt does not exist"),
        (("--model", "sam2.1-hiera-tiny"), "models fetch sam2.1-hiera-tiny"),
        (("--init", "sam2.1-hiera-tiny"), "models fetch sam2.1-hiera-tiny"),
        (("--photos", "nowhere"), "nowhere"),
        (("--lr-share", "trunk"), "'trunk' is no share"),
        (("--lr-share", "memory=2x"), "'memory=2x' is no share"),
        (("--lr-share", "memory=0.5"), "nano has no part 'memory'"),
        (("--device", "cuda:99"), "no device cuda:99 here"),
    ],
)
def test_what_its_user_can_mend_is_told(
    options: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    result = invoke("train", "--out", tmp_path / "run", *options)
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


def test_shares_of_the_rate_are_read_by_part():
    shares = parse_shares(["memory_attention=0.1", "image_encoder.neck=0"])
    assert shares == (("memory_attention", 0.1), ("image_encoder.neck", 0.0))


def test_it_runs_as_a_module():
    command = (sys.executable, "-m", "sam2_rt.train", "--help")
    environment = {**os.environ, "COLUMNS": "200"}
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    for option in ("--init", "--data", "--lr-share", "--keep-weights"):
        assert option in said.stdout


def test_stages_are_read_from_a_line():
    assert parse_stages("1x16x2000, 8x3x500@5e-4") == (
        Stage(1, 16, 2000, max_rows=3),
        Stage(8, 3, 500, max_rows=2, lr=5e-4, final_share=0.02, warmup=50),
    )
