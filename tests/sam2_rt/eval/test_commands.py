import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from sam2_rt import cli_eval
from sam2_rt.data.clip import write_palette_png
from sam2_rt.eval import report
from sam2_rt.eval.commands import app
from sam2_rt.model import zoo
from small_model import small_official, write_official
from tiny_datasets import write_mp4

SMALL = ("--size", "64")
TINY = ("--clip-size", "32")
CLIPS = ("--clips", "1", "--clip-frames", "12", "--clip-size", "64")


@pytest.fixture
def run(tmp_path):
    """Runs a command; returns its exit code, its line of JSON (or lines) and all that it said."""

    def invoke(*arguments: object) -> tuple[int, list[dict], str]:
        words = [str(word) for word in arguments]
        result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
        return result.exit_code, lines, result.output

    return invoke


def sheets(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "out").glob("*.png"))


@pytest.mark.parametrize("prompt", ["mask", "box", "click", "clicks3", "clicks5"])
def test_vos_scores_a_folder(run, folder, tmp_path, prompt):
    code, (line,), said = run("vos", "--data", folder, *SMALL, "--prompt", prompt)
    assert code == 0, said
    assert line["numbers"]["objects"] == 2
    assert 0 <= line["numbers"]["J&F"] <= 1
    assert sheets(tmp_path) == [f"vos-{prompt}-nano-at-64.png"]


def test_a_checkpoint_of_an_official_model_is_scored(run, folder, tmp_path, monkeypatch):
    write_official(tmp_path / "tiny.pt", small_official(monkeypatch))
    code, (line,), said = run(
        "vos", "--data", folder, "--model", "sam2.1-hiera-tiny",
        "--checkpoint", tmp_path / "tiny.pt",
    )  # fmt: skip
    assert code == 0, said
    assert line["subject"] == "sam2.1-hiera-tiny tiny.pt"
    assert line["numbers"]["objects"] == 2
    assert 0 <= line["numbers"]["J&F"] <= 1
    assert "untrained" not in said


def test_baselines_stand_beside_it(run, folder):
    code, (line,), said = run("vos", "--data", folder, *SMALL, "--baselines")
    assert code == 0
    assert line["numbers"]["J&F of copy"] > 0.3
    assert line["numbers"]["J&F of flow"] > 0.3
    assert {"ghost", "ghost of copy", "ghost of flow"} <= line["numbers"].keys()
    assert "ghost" in said.partition("{")[0]
    assert "mean over objects" in said


def test_videos_can_be_left_out_and_shortened(run, folder):
    _, (line,), said = run(
        "vos", "--data", folder, *SMALL, "--exclude", "one", "--limit", "4"
    )  # fmt: skip
    assert line["numbers"]["objects"] == 1
    assert "two" in said
    assert "one" not in said.partition("{")[0].replace("untrained", "")


def test_arithmetic_tells_how_far_bfloat16_agrees(run, folder):
    code, (line,), said = run("arithmetic", "--data", folder, "--size", "128")
    assert code == 0, said
    assert 0.5 < line["numbers"]["mean IoU"] <= 1
    assert {"J&F", "J&F of float32", "median IoU"} <= line["numbers"].keys()


def test_interactive_writes_a_plot_and_sheets(run, folder, tmp_path):
    code, (line,), said = run(
        "interactive", "--data", folder, *SMALL, "--frames", "2", "--both-ways"
    )  # fmt: skip
    assert code == 0, said
    numbers = line["numbers"]
    assert numbers["offline J&F, frames: 1"] == numbers["online J&F, frames: 1"]
    assert {"online J&F, frames: 2", "offline, both ways J&F, frames: 2"} <= numbers.keys()
    assert sheets(tmp_path) == [
        "interactive-nano-at-64.png",
        "interactive-offline-nano-at-64.png",
        "interactive-online-nano-at-64.png",
    ]


def test_streaming_tells_of_lost_frames_and_of_absence(run, folder, tmp_path):
    code, lines, said = run("streaming", "--data", folder, *SMALL, *CLIPS, "--baselines")
    assert code == 0, said
    lossy, cut, made = (line["numbers"] for line in lines)
    assert {"all", "10 % lost", "50 % lost, held", "every 4th, held"} <= lossy.keys()
    assert cut["absent frames"] == 2
    assert made["returns"] >= 1
    drawn = {name for name in sheets(tmp_path) if name.startswith("streaming")}
    assert {"streaming-10-lost-nano-at-64.png", "streaming-every-4th-nano-at-64.png"} <= drawn
    assert len(drawn) == 5
    assert {"every 2nd, copy", "50 % lost, held, flow"} <= lossy.keys()
    for absence in (cut, made):
        assert absence["with a false mask, copy"] == 1  # a copy knows no absence
        assert "reacquired, flow" in absence


def test_scenes_need_no_data(run):
    code, (line,), said = run("scenes", *SMALL, *CLIPS, "--baselines", "--difficulty", "1")
    assert code == 0, said
    assert line["numbers"]["objects"] >= 1
    assert {"ghost", "reacquired, copy", "with a false mask, flow"} <= line["numbers"].keys()
    assert {"J&F", "J&F of flow", "with a false mask", "reacquired"} <= line["numbers"].keys()


def test_image_scores_a_folder_or_made_up_stills(run, tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    labels[10:30, 10:40] = 1
    labels[40, 60] = 2  # too small
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(tmp_path / "data/images/a.jpg")
    write_palette_png(tmp_path / "data/masks/a.png", labels)
    _, (line,), _ = run("image", "--data", tmp_path / "data", *SMALL)
    assert (line["numbers"]["objects"], line["numbers"]["too small"]) == (1, 1)
    _, (line,), _ = run("image", "--clips", "2", "--clip-size", "64", *SMALL)
    assert line["numbers"]["objects"] >= 2
    assert {"1-click mIoU", "5-click mIoU", "box mIoU"} <= line["numbers"].keys()


def test_the_step_of_the_weights_is_filed_for_the_curve_of_learning(run, folder, tmp_path):
    weights = load_file(zoo.BUNDLED)
    save_file(weights, tmp_path / "w.safetensors", {"step": "700"})
    _, (line,), _ = run(
        "vos", "--data", folder, *SMALL, "--checkpoint", tmp_path / "w.safetensors"
    )  # fmt: skip
    filed = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    assert (line["step"], filed["step"]) == (700, 700)


def test_a_row_is_added_when_asked_for(run, folder, tmp_path, monkeypatch):
    results = tmp_path / "RESULTS.md"
    monkeypatch.setattr(report, "RESULTS", results)
    run("vos", "--data", folder, *SMALL)
    assert not results.exists()
    run("vos", "--data", folder, *SMALL, "--record")
    assert "## Evaluation: VOS, first mask" in results.read_text()


def test_portraits_are_a_sheet_to_look_at(run, tmp_path):
    clip = write_mp4(tmp_path / "me.mp4")
    code, lines, said = run("portraits", clip, "--click", "me=0.4,0.5", *SMALL)
    assert (code, lines) == (0, []), said
    assert "1 clips are in" in said
    assert sheets(tmp_path) == ["portraits-nano-at-64.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vos", "--data", "nowhere"), "nowhere is no folder"),
        (("image", "--data", "nowhere"), "images is missing"),
        (("vos", "--data", "{folder}", "--model", "giant"), "no model is called 'giant'"),
        (("vos", "--data", "{folder}", "--checkpoint", "gone.safetensors"), "gone.safetensors"),
        (("vos", "--data", "{folder}", "--exclude", "three"), "no video three"),
        (("vos", "--data", "{folder}", "--device", "abacus"), "abacus"),
        (("vos", "--data", "{folder}", "--split", "val"), "no split val"),
        (("portraits", "nowhere.mp4"), "no clip could be read"),
        (("portraits", "nowhere.mp4", "--click", "me=1,1"), "no clip is called me"),
        (
            ("streaming", "--data", "{folder}", "--clips", "1", "--clip-frames", "3", *TINY),
            "make the clips longer",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(run, folder, arguments, words):
    code, lines, said = run(*(str(word).format(folder=folder) for word in arguments))
    assert (code, lines) == (1, [])
    assert words in said
    assert "Traceback" not in said


def test_an_untrained_model_is_called_so(run, folder, monkeypatch):
    monkeypatch.setattr("sam2_rt.model.zoo.BUNDLED", folder / "none.safetensors")
    assert "untrained" in run("vos", "--data", folder, *SMALL)[2]


def test_the_command_line_has_the_same_commands():
    assert cli_eval.app is app


def test_it_runs_as_a_module():
    command = (sys.executable, "-m", "sam2_rt.eval", "--help")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in ("vos", "arithmetic", "image", "interactive", "streaming", "scenes", "portraits"):
        assert name in said


def test_asking_for_help_does_not_import_torch():
    code = "import sys, sam2_rt.cli_eval; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
