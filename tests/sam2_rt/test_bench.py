import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from sam2_rt.bench import FULL_BANK, Steps, time_stages
from sam2_rt.bench_profile import profile_steps
from sam2_rt.bench_streams import Streams
from sam2_rt.cli import app
from sam2_rt.model import zoo
from sam2_rt.model.config import TINY, ModelConfig
from sam2_rt.tracking.calls import Calls


def run(*arguments: str) -> str:
    before = torch.get_num_threads()
    result = CliRunner().invoke(app, ["bench", *arguments])
    torch.set_num_threads(before)
    assert result.exit_code == 0, result.output
    return result.output


def json_line(output: str) -> dict:
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


def test_it_prints_a_table_a_json_line_and_a_markdown_row():
    output = run("--image-size", "64", "--frames", "1", "--tracks", "2")
    row = json_line(output)
    assert (row["model"], row["image_size"], row["tracks"]) == ("nano", 64, 2)
    assert row["ours_ms"] > 0
    assert row["ratio"] is None
    assert output.splitlines()[-1].startswith("| 20")


def test_beside_a_peer_it_prints_the_ratio_and_how_far_the_masks_agree():
    smallest = ModelConfig(TINY, image_size=64, memory_layers=1, feedforward_dim=64)
    with pytest.MonkeyPatch.context() as patch:
        entry = zoo.MODELS["sam2.1-hiera-tiny"]
        patch.setitem(zoo.MODELS, "sam2.1-hiera-tiny", zoo.Entry(smallest, entry.source))
        output = run("--model", "sam2.1-hiera-tiny", "--frames", "2", "--peer", "transformers")
    row = json_line(output)
    assert row["ratio"] == pytest.approx(row["peer_ms"] / row["ours_ms"])
    assert row["mask_iou"] > 0.99


def test_the_stages_are_the_models_calls():
    with torch.inference_mode():
        stages = time_stages(zoo.build("nano", 64), tracks=1)
    assert list(stages) == [
        "encoder",
        "memory attention, 1 memory",
        f"memory attention, {FULL_BANK} memories",
        "decoder",
        "memory encoder",
    ]


def test_without_a_peer_there_is_no_ratio():
    assert Steps(10.0).ratio is None
    assert Steps(10.0, 25.0).ratio == 2.5


def test_bfloat16_is_measured_when_it_is_asked_for():
    row = json_line(run("--image-size", "64", "--frames", "1", "--dtype", "bfloat16"))
    assert row["dtype"] == "bfloat16"


def test_the_commit_is_this_code_s_wherever_it_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    arguments = ("--image-size", "64", "--frames", "1")
    here = json_line(run(*arguments))["commit"]
    monkeypatch.chdir(tmp_path)
    assert json_line(run(*arguments))["commit"] == here


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert json_line(run("--image-size", "64", "--frames", "1"))["commit"] == "unknown"


def test_a_model_that_the_peer_cannot_hold_is_a_usage_error():
    arguments = ("--model", "nano", "--image-size", "64", "--peer", "transformers")
    result = CliRunner().invoke(app, ["bench", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "its dimensions are 256 and 64, not 128 and 64" in result.output


def test_a_profile_names_the_operations_that_a_step_s_time_goes_to():
    output = run("--image-size", "64", "--frames", "1", "--profile")
    assert output.count("aten::") >= 5
    calls = Calls(zoo.fold(zoo.build("nano", 64).eval()))
    operations = profile_steps(calls, [(0.5, 0.5)])
    assert sum(one.share for one in operations) == pytest.approx(1)
    assert operations == sorted(operations, key=lambda one: -one.ms)
    assert all(one.calls >= 0 for one in operations)


@pytest.mark.parametrize(
    "wrong",
    [["--model", "none"], ["--image-size", "100"], ["--peer", "x"], ["--device", "cuda:77"]],
)
def test_what_cannot_be_measured_is_a_usage_error(wrong: list[str]):
    result = CliRunner().invoke(app, ["bench", *wrong])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_with_streams_it_prints_what_a_batch_gains_over_taking_turns():
    output = run("--image-size", "64", "--frames", "3", "--streams", "3", "--tracks", "2")
    row = json.loads([line for line in output.splitlines() if line.startswith("{")][1])
    assert row["streams"] == 3
    assert row["ratio"] == pytest.approx(row["batched_fps"] / row["in_turn_fps"])
    assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert "3 streams x 2 tracks" in output


def test_throughput_counts_the_frames_of_all_streams():
    streams = Streams((0.1, 0.2, 0.1), (0.4, 0.4, 0.5), 4)
    assert streams.batched_fps == 40
    assert streams.in_turn_fps == 10
    assert streams.ratio == 4
    assert streams.p50_ms == 100
