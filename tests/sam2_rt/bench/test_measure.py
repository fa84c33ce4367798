import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from sam2_rt.bench.limit import SIDES
from sam2_rt.cli import app
from sam2_rt.model import zoo
from sam2_rt.model.config import ModelConfig
from seeded import SMALL_HIERA

TINY_NAME = "sam2.1-hiera-tiny"


@pytest.fixture
def smallest() -> Iterator[None]:
    """Under a big model's name, one that a test can afford and every peer can hold."""
    config = ModelConfig(SMALL_HIERA, image_size=64, memory_layers=1)
    with pytest.MonkeyPatch.context() as patch:
        entry = zoo.MODELS[TINY_NAME]
        patch.setitem(zoo.MODELS, TINY_NAME, zoo.Entry(config, entry.source))
        yield


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
    assert row["peers"] == {}
    assert output.splitlines()[-1].startswith("| 20")


@pytest.mark.parametrize("peer_dtype", ["float32", "bfloat16"])
def test_beside_peers_it_prints_ratios_and_how_far_the_masks_agree(smallest: None, peer_dtype: str):
    pytest.importorskip("sam2", reason="tests/sam2_rt/peer_sam2.txt is not installed")
    peers = "--peer", "transformers", "--peer", "sam2", "--peer-dtype", peer_dtype
    output = run("--model", TINY_NAME, "--frames", "2", *peers)
    row = json_line(output)
    assert list(row["peers"]) == ["transformers", "sam2"]
    for one in row["peers"].values():
        assert one["ratio"] == pytest.approx(one["ms"] / row["ours_ms"])
        assert one["mask_iou"] > (0.99 if peer_dtype == "float32" else 0.5)
    assert row["ratio"] == min(one["ratio"] for one in row["peers"].values())
    assert output.count("least mask IoU") == 2


def test_a_peer_that_is_not_installed_is_a_usage_error(
    smallest: None, monkeypatch: pytest.MonkeyPatch
):
    for name in [name for name in sys.modules if name.split(".")[0] == "sam2"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sam2", None)
    arguments = ["bench", "--model", TINY_NAME, "--peer", "sam2"]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "sam2 is not installed" in result.output


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


@pytest.mark.parametrize(
    "wrong",
    [["--model", "none"], ["--image-size", "100"], ["--peer", "x"], ["--device", "cuda:77"]],
)
def test_what_cannot_be_measured_is_a_usage_error(wrong: list[str]):
    result = CliRunner().invoke(app, ["bench", *wrong])
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_with_streams_it_prints_what_a_batch_gains_over_turns_and_peers(smallest: None):
    model = "--model", TINY_NAME, "--peer", "transformers"
    output = run(*model, "--frames", "3", "--streams", "3", "--tracks", "2")
    row = json.loads([line for line in output.splitlines() if line.startswith("{")][1])
    assert row["streams"] == 3
    assert row["ratio"] == pytest.approx(row["batched_fps"] / row["in_turn_fps"])
    assert row["peer_ratio"] == pytest.approx(row["batched_fps"] / row["peers_fps"]["transformers"])
    assert 0 < row["p50_ms"] <= row["p99_ms"]
    assert "| 3 x 2 |" in output
    assert "ratio to the best peer" in output


def test_the_limit_is_told_of_each_stage_and_of_the_whole_step(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SIDES, "cpu", (64, 128))
    output = run("--image-size", "64", "--frames", "1", "--limit")
    lines = [line for line in output.splitlines() if line.startswith("{")]
    stages, limits = json.loads(lines[0])["stages_ms"], json.loads(lines[1])["limits"]
    assert list(limits) == [*stages, "whole step"]
    assert all(one["share"] > 0 and one["gflop"] > 0 for one in limits.values())
    assert {name: limits[name]["ms"] for name in stages} == stages
