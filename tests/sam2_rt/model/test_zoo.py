from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import CheckpointError
from sam2_rt.model.config import NANO

pytestmark = pytest.mark.usefixtures("machine")

NAME = "sam2.1-hiera-tiny"


def no_report(done: int, total: int | None) -> None:
    """What is here already is not reported."""


def test_names_are_eight_official_ones_and_nano():
    sizes = ("tiny", "small", "base-plus", "large")
    official = [f"{version}-hiera-{size}" for version in ("sam2", "sam2.1") for size in sizes]
    assert list(zoo.MODELS) == [*official, "nano"]


def test_parameters_are_those_of_the_paper_s_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    assert zoo.num_parameters("sam2-hiera-tiny") == 38_945_986
    assert zoo.num_parameters("sam2.1-hiera-large") == 224_446_642


def test_sources_are_where_the_files_are():
    urls = {name: entry.source for name, entry in zoo.MODELS.items() if entry.source}
    old, new = urls["sam2-hiera-base-plus"], urls["sam2.1-hiera-base-plus"]
    assert (old.repository, old.folder, old.file) == (
        "facebook/sam2-hiera-base-plus",
        "072824",
        "sam2_hiera_base_plus.pt",
    )
    assert (new.repository, new.folder, new.file) == (
        "facebook/sam2.1-hiera-base-plus",
        "092824",
        "sam2.1_hiera_base_plus.pt",
    )


@pytest.mark.parametrize("act", [zoo.build, zoo.load, zoo.cached, zoo.is_trained])
def test_an_unknown_name_is_answered_with_those_that_are_known(act):
    with pytest.raises(zoo.UnknownModel, match=r"'sam3'; there are sam2-hiera-tiny, .*, nano"):
        act("sam3")


def test_a_model_is_built_for_the_size_that_is_asked_for():
    assert zoo.build("nano").config == NANO
    assert zoo.build("nano", 128).config.image_size == 128
    with pytest.raises(ValueError, match="100 is not a positive multiple of 32"):
        zoo.build("nano", 100)


def test_nano_without_weights_is_the_same_each_time_and_says_it_is_untrained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path / "none.safetensors")
    one, two = (zoo.load("nano").state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not zoo.is_trained("nano")
    assert zoo.is_trained("nano", tmp_path / "mine.pt")
    assert zoo.is_trained(NAME)


def test_loading_leaves_the_random_state_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    zoo.load("nano")
    assert torch.rand(1) == expected


def test_bundled_weights_make_nano_a_trained_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    built = zoo.build("nano").eval()
    save_file(built.state_dict(), tmp_path / "nano.safetensors")
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path / "nano.safetensors")
    loaded = zoo.load("nano")
    pixels = torch.randn(1, 3, 64, 64)
    expected, found = built.encode_image(pixels).feature, loaded.encode_image(pixels).feature
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert zoo.is_trained("nano")
    assert zoo.fetch("nano", no_report) == tmp_path / "nano.safetensors"


def test_a_checkpoint_loads_in_eval_mode_at_any_size_and_type(tmp_path: Path, official_file: bytes):
    (tmp_path / "mine.pt").write_bytes(official_file)
    model = zoo.load(NAME, tmp_path / "mine.pt", dtype=torch.bfloat16, image_size=96)
    assert not model.training
    assert model.config.image_size == 96
    assert model.dtype == torch.bfloat16
    # What decodes masks stays exact on a CPU.
    assert model.no_obj_ptr.dtype == torch.float32
    assert {p.dtype for p in model.sam_mask_decoder.transformer.parameters()} == {torch.float32}
    with pytest.raises(CheckpointError, match="is no checkpoint of nano"):
        zoo.load("nano", tmp_path / "mine.pt")


def test_a_model_that_was_not_fetched_says_how_to():
    with pytest.raises(zoo.NotFetched, match=f"run `sam2-rt models fetch {NAME}`"):
        zoo.load(NAME)


def test_a_checkpoint_may_be_named_by_text(tmp_path: Path, official_file: bytes):
    (tmp_path / "mine.pt").write_bytes(official_file)
    assert not zoo.load(NAME, str(tmp_path / "mine.pt")).training
