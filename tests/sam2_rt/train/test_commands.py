from pathlib import Path

import pytest
from tiny_datasets import write_sav
from typer.testing import CliRunner, Result

from sam2_rt.cli import app
from sam2_rt.model import zoo
from sam2_rt.train.commands import parse_stages
from sam2_rt.train.log import read
from sam2_rt.train.recipe import Stage


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


def test_fine_tuning_on_annotated_videos_lowers_the_loss(sav: Path, tmp_path: Path):
    steps = 160
    result = invoke(
        "train", "--out", tmp_path, "--image-size", 64, "--stages", f"2x4x{steps}@2e-3",
        "--scenes", 0, "--real", 1, "--data", sav, "--dtype", "float32", "--threads", 1,
        "--reuse", 50, "--validate-every", steps,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "skipped bad:" in result.output
    losses = [line.loss for line in read(tmp_path / "log.jsonl") if line.loss is not None]
    assert sum(losses[-2:]) < 0.7 * sum(losses[:2])
    assert zoo.is_trained("nano", tmp_path / "weights.safetensors")
    assert (tmp_path / "skipped.jsonl").exists()


def test_a_run_in_the_folder_goes_on(sav: Path, tmp_path: Path):
    options = ("--image-size", 64, "--scenes", 0, "--real", 1, "--data", sav, "--reuse", 50)
    for steps in (2, 3):
        result = invoke("train", "--out", tmp_path, "--stages", f"1x2x{steps}", *options)
        assert result.exit_code == 0, result.output
        assert f"{steps}/{steps}" in result.output
    assert (tmp_path / "state.pt").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--stages", "8x3"), "'8x3' is no stage"),
        (("--stages", "1x0x5"), "'1x0x5' is no stage"),
        (("--scenes", "0"), "no source has a share"),
        (("--model", "sam3"), "no model is called 'sam3'"),
        (("--init", "nowhere.pt"), "nowhere.pt does not exist"),
        (("--model", "sam2.1-hiera-tiny"), "models fetch sam2.1-hiera-tiny"),
        (("--photos", "nowhere"), "nowhere"),
    ],
)
def test_what_its_user_can_mend_is_told(
    options: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    result = invoke("train", "--out", tmp_path / "run", *options)
    assert result.exit_code == 2
    assert told in " ".join(result.output.replace("│", " ").split())


def test_stages_are_read_from_a_line():
    assert parse_stages("1x16x2000, 8x3x500@5e-4") == (
        Stage(1, 16, 2000, max_rows=3),
        Stage(8, 3, 500, max_rows=2, lr=5e-4, final_share=0.02),
    )
