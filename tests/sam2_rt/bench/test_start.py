import json

import pytest
from typer.testing import CliRunner

from sam2_rt.bench.start import STARTS, Start, StartFailed, time_starts
from sam2_rt.cli import app


def test_it_tells_how_long_each_start_took():
    result = CliRunner().invoke(app, ["bench", "--start", "--image-size", "64", "--threads", "1"])
    assert result.exit_code == 0, result.output
    row = json.loads(result.output.splitlines()[-1])
    assert len(row["start_s"]) == STARTS
    assert all(taken > 0 for taken in (*row["start_s"], *row["processor_s"]))
    assert row["device"] == "cpu"
    assert f"start {STARTS}" in result.output


def test_an_engine_that_does_not_start_says_why():
    with pytest.raises(StartFailed, match="nowhere"):
        time_starts(Start("nowhere", None, 1, "float32"))


def test_a_start_on_a_device_that_is_not_here_says_so():
    arguments = ["bench", "--start", "--device", "cuda:77"]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "device 'cuda:77' is not to be had here" in result.output


@pytest.mark.parametrize("options", [("--streams", "2"), ("--model", "nowhere")])
def test_what_its_user_can_mend_is_told(options):
    result = CliRunner().invoke(app, ["bench", "--start", *options])
    assert result.exit_code == 2
    assert options[0] in result.output or options[1] in result.output
