import json

import pytest
import torch
from typer.testing import CliRunner

from sam2_rt.bench.colour import EXACT, IN_USE, RESIZES, time_colour
from sam2_rt.bench.stages import Timer
from sam2_rt.cli import app


def test_every_way_gives_the_same_picture_to_a_byte_s_rounding():
    ways = time_colour(64, Timer(torch.device("cpu")))
    assert list(ways) == [*RESIZES, IN_USE]
    assert ways[EXACT].error == 0
    assert all(way.error < 0.6 for way in ways.values())
    assert all(way.ms > 0 for way in ways.values())


def test_the_ways_are_printed_with_their_errors():
    arguments = ["bench", "--colour", "--image-size", "64", "--threads", "1"]
    before = torch.get_num_threads()
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    torch.set_num_threads(before)
    assert result.exit_code == 0, result.output
    row = json.loads(next(line for line in result.output.splitlines() if line.startswith("{")))
    assert list(row["colour"]) == [*RESIZES, IN_USE]
    assert "1280 x 720 to 64" in result.output


@pytest.mark.parametrize("option", ["--colour", "--attention"])
def test_what_is_measured_alone_needs_a_model_that_there_is(option: str):
    result = CliRunner().invoke(app, ["bench", option, "--model", "nowhere"])
    assert result.exit_code == 2
    assert "nowhere" in result.output
