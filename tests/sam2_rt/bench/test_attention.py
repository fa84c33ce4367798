import json

import torch
from torch.nn.attention import SDPBackend
from typer.testing import CliRunner

from sam2_rt.bench.attention import BACKENDS, OWN_CHOICE, attention_inputs, time_attention
from sam2_rt.bench.stages import Timer
from sam2_rt.cli import app
from sam2_rt.model.config import NANO

TIMER = Timer(torch.device("cpu"))


def test_the_calls_have_the_sizes_of_the_models_banks():
    inputs = attention_inputs(NANO.at(64), 3, TIMER, torch.bfloat16)
    frame, steady, any_bank = inputs.values()
    assert frame.query.shape == frame.keys.shape == (3, 2, 16, 32)
    assert steady.keys.shape[2] == 7 * 16 + 16 * 2
    assert any_bank.keys.shape[2] == 10 * 16 + 19 * 2
    assert any_bank.mask is not None
    assert any_bank.mask.sum(dim=-1).unique().tolist() == [7 * 16 + 16 * 2]
    assert {one.query.dtype for one in inputs.values()} == {torch.bfloat16}


def test_a_kernel_that_a_device_has_not_is_left_out():
    times = time_attention(attention_inputs(NANO.at(64), 1, TIMER, torch.float32), TIMER)
    for row in times.values():
        assert list(row) == [OWN_CHOICE, *BACKENDS]
        assert row["math"] is not None
        assert row["cudnn"] is None
    assert BACKENDS["flash"] is SDPBackend.FLASH_ATTENTION


def test_attention_alone_is_printed():
    arguments = ["bench", "--attention", "--image-size", "64", "--threads", "1"]
    before = torch.get_num_threads()
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    torch.set_num_threads(before)
    assert result.exit_code == 0, result.output
    row = json.loads(next(line for line in result.output.splitlines() if line.startswith("{")))
    assert set(row["attention_ms"]) == {"the frame itself", "a steady bank", "any bank, masked"}
    assert "any bank, masked" in result.output.split("{")[0]
