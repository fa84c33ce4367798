import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from sam2_rt.train.blend import app, blend

FIRST = {"a.weight": torch.zeros(2).half(), "score.bias": torch.zeros(1), "count": torch.tensor(3)}
SECOND = {"a.weight": torch.ones(2).half(), "score.bias": torch.ones(1), "count": torch.tensor(4)}


def test_it_is_the_weighted_mean_but_for_what_is_taken_whole():
    mean = blend(FIRST, SECOND, 0.75, ("score",))
    assert mean["a.weight"].tolist() == [0.75, 0.75]
    assert mean["a.weight"].dtype == torch.float16
    assert mean["score.bias"].tolist() == [1]
    assert mean["count"].item() == 4


def test_two_models_have_no_mean():
    with pytest.raises(ValueError, match="different models"):
        blend(FIRST, SECOND | {"a.weight": torch.ones(3)}, 0.5, ())


def test_files_go_in_and_a_file_comes_out(tmp_path):
    for name, weights in (("first", FIRST), ("second", SECOND)):
        save_file(weights, tmp_path / name)
    words = [str(tmp_path / name) for name in ("first", "second", "out")]
    assert CliRunner().invoke(app, [*words, "--share", "0.5"]).exit_code == 0
    assert load_file(tmp_path / "out")["score.bias"].tolist() == [0.5]
    assert CliRunner().invoke(app, [str(tmp_path / "gone"), *words[1:]]).exit_code == 2
