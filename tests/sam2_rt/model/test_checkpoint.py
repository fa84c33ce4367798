from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import Sam2VideoModel

from sam2_rt.model.checkpoint import (
    CheckpointError,
    expected_shapes,
    from_transformers,
    read_checkpoint,
    to_transformers,
)
from sam2_rt.model.config import BASE_PLUS, LARGE, SMALL, TINY, ModelConfig, TrunkConfig
from sam2_rt.peer_transformers import peer_config
from seeded import SMALL_HIERA

TRUNKS = {"tiny": TINY, "small": SMALL, "base_plus": BASE_PLUS, "large": LARGE}
OFFICIAL = [(size, version) for size in TRUNKS for version in ("2.0", "2.1")]

SMALLEST = ModelConfig(SMALL_HIERA, image_size=64, memory_layers=1, feedforward_dim=64)


def random_weights(config: ModelConfig) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = expected_shapes(config).items()
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes}


def assert_same(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    return random_weights(SMALLEST)


@pytest.mark.parametrize(("size", "version"), OFFICIAL)
def test_names_map_onto_all_of_transformers_and_back(size: str, version: str):
    config = ModelConfig(TRUNKS[size], version=version)
    assert_maps_onto_transformers(config)


def test_names_of_a_small_model_map_too():
    assert_maps_onto_transformers(SMALLEST)


def assert_maps_onto_transformers(config: ModelConfig) -> None:
    with torch.device("meta"):
        peer = Sam2VideoModel(peer_config(config)).state_dict()
    shapes = expected_shapes(config)
    renamed = to_transformers({n: torch.empty(s, device="meta") for n, s in shapes.items()})
    assert {n: t.shape for n, t in renamed.items()} == {n: t.shape for n, t in peer.items()}
    back = from_transformers(peer, shapes)
    assert {name: tuple(tensor.shape) for name, tensor in back.items()} == shapes


def test_values_survive_the_way_there_and_back(weights: dict[str, Tensor]):
    assert_same(from_transformers(to_transformers(weights), weights), weights)


def test_reads_an_official_file(tmp_path: Path, weights: dict[str, Tensor]):
    torch.save({"model": weights}, tmp_path / "nano.pt")
    assert_same(read_checkpoint(tmp_path / "nano.pt", SMALLEST, "nano"), weights)


@pytest.mark.parametrize("convert", [dict, to_transformers])
def test_reads_safetensors_under_either_names(tmp_path: Path, weights: dict[str, Tensor], convert):
    tensors = {name: tensor.clone() for name, tensor in convert(weights).items()}
    save_file(tensors, tmp_path / "nano.safetensors")
    assert_same(read_checkpoint(tmp_path / "nano.safetensors", SMALLEST, "nano"), weights)


def test_the_shared_position_matrix_may_be_stored_once(tmp_path: Path, weights: dict[str, Tensor]):
    tensors = to_transformers(weights)
    del tensors["prompt_encoder.shared_embedding.positional_embedding"]
    save_file(tensors, tmp_path / "nano.safetensors")
    assert_same(read_checkpoint(tmp_path / "nano.safetensors", SMALLEST, "nano"), weights)


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path, SMALLEST, "nano")
    return str(caught.value)


def test_each_misfit_is_named(tmp_path: Path, weights: dict[str, Tensor]):
    changed = dict(weights) | {"extra.weight": torch.zeros(1), "no_obj_ptr": torch.zeros(1, 7)}
    for index in range(4):
        del changed[f"sam_prompt_encoder.point_embeddings.{index}.weight"]
    torch.save({"model": changed}, tmp_path / "other.pt")
    message = refusal(tmp_path / "other.pt")
    assert "other.pt is no checkpoint of nano" in message
    assert "4 missing (sam_prompt_encoder.point_embeddings.0.weight, " in message
    assert "point_embeddings.2.weight, ...)" in message
    assert "1 not known (extra.weight)" in message
    assert "1 of another shape (no_obj_ptr is [1, 7], not [1, 256])" in message


def test_a_missing_transformers_name_is_told_by_its_official_one(
    tmp_path: Path, weights: dict[str, Tensor]
):
    tensors = to_transformers(weights)
    del tensors["no_object_pointer"], tensors["prompt_encoder.point_embed.weight"]
    save_file({n: t.clone() for n, t in tensors.items()}, tmp_path / "nano.safetensors")
    message = refusal(tmp_path / "nano.safetensors")
    assert "5 missing" in message
    assert "no_obj_ptr" in message


@pytest.mark.parametrize("rows", [3, 5])
def test_the_embeddings_of_points_are_four(tmp_path: Path, weights: dict[str, Tensor], rows: int):
    tensors = {name: tensor.clone() for name, tensor in to_transformers(weights).items()}
    tensors["prompt_encoder.point_embed.weight"] = torch.zeros(rows, 256)
    save_file(tensors, tmp_path / "nano.safetensors")
    assert "1 not known (prompt_encoder.point_embed.weight)" in refusal(
        tmp_path / "nano.safetensors"
    )


def test_another_model_s_file_is_refused(tmp_path: Path):
    trunk = TrunkConfig(32, 1, (1, 1, 2, 1), (3,), windows=(8, 4, 8, 4))
    other = ModelConfig(trunk, image_size=64, memory_layers=1, feedforward_dim=64)
    torch.save({"model": random_weights(other)}, tmp_path / "other.pt")
    assert "missing (image_encoder.trunk" in refusal(tmp_path / "other.pt")


def test_files_that_hold_no_weights_are_refused(tmp_path: Path, weights: dict[str, Tensor]):
    torch.save({"model": weights}, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    save_file(weights, tmp_path / "whole.safetensors")
    cut = (tmp_path / "whole.safetensors").read_bytes()[:5000]
    files = {
        "cut.pt": whole[: len(whole) // 2],
        "empty.pt": b"",
        "text.pt": b"<html>not found</html>",
        "key.pt": b"\x80\x02h\x01.",  # asks for a value that was never stored
        "index.pt": b"\x80\x02e.",  # takes from an empty stack
        "struct.pt": b"\x80\x02M.",  # ends within a number
        "unicode.pt": b"\x80\x02X\x01\x00\x00\x00\xff.",
        "list.pt": b"\x80\x02}K\x01a.",  # appends to a dict: here torch advises to trust the file
        "cut.safetensors": cut,
        "empty.safetensors": b"",
        "text.safetensors": b"<html>not found</html>",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        message = refusal(tmp_path / name)
        assert f"{name} cannot be read: " in message
        assert "weights_only" not in message


def test_a_file_with_code_in_it_is_refused(tmp_path: Path):
    torch.save({"model": {"no_obj_ptr": Path("/")}}, tmp_path / "code.pt")
    message = refusal(tmp_path / "code.pt")
    assert "code.pt cannot be read: it is cut off, garbled, or holds more than plain" in message
    assert "weights_only" not in message


@pytest.mark.parametrize(
    "content",
    [
        {"state": {}},
        [1],
        {"model": [1]},
        {"model": {"a": 1}},
        {"model": {1: torch.zeros(1)}},
        {"model": {"a": torch.zeros(1, dtype=torch.complex64)}},
        {"model": {"a": torch.zeros(1, dtype=torch.int64)}},
        {"model": {"a": torch.zeros(1, device="meta")}},
        {"model": {"a": torch.zeros(1).to_sparse()}},
    ],
)
def test_a_file_of_another_layout_is_refused(tmp_path: Path, content: object):
    torch.save(content, tmp_path / "other.pt")
    assert 'under "model"' in refusal(tmp_path / "other.pt")


def test_a_missing_file_is_named(tmp_path: Path):
    assert refusal(tmp_path / "none.pt") == f"{tmp_path / 'none.pt'} does not exist"
