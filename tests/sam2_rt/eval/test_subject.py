from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sam2_rt.eval.subject import Subject
from sam2_rt.model.checkpoint import CheckpointError
from sam2_rt.model.zoo import UnknownModel


def test_its_name_says_what_was_given():
    assert Subject().name == "nano"
    subject = Subject("nano", Path("/somewhere/step-9.safetensors"), 128)
    assert subject.name == "nano step-9.safetensors at 128"


def test_it_loads_at_its_size_and_sets_the_threads():
    before = torch.get_num_threads()
    try:
        model = Subject(image_size=64, threads=1).load()
        assert model.config.image_size == 64
        assert torch.get_num_threads() == 1
        assert not model.training
    finally:
        torch.set_num_threads(before)


def test_weights_may_tell_the_step_of_their_training(tmp_path: Path):
    told, silent = tmp_path / "told.safetensors", tmp_path / "silent.safetensors"
    save_file({"a": torch.zeros(1)}, told, {"step": "1500"})
    save_file({"a": torch.zeros(1)}, silent)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    assert Subject(checkpoint=told).step == 1500
    others = (None, silent, tmp_path / "broken.safetensors", tmp_path / "a.pt")
    assert [Subject(checkpoint=other).step for other in others] == [None] * 4


def test_weights_that_were_named_are_trained():
    assert Subject(checkpoint=Path("a.safetensors")).is_trained


@pytest.mark.parametrize(
    ("subject", "error", "words"),
    [
        (Subject("giant"), UnknownModel, "giant"),
        (Subject(checkpoint=Path("nowhere.safetensors")), (CheckpointError, OSError), "nowhere"),
        (Subject(device="abacus"), ValueError, "abacus"),
        (Subject(image_size=65), ValueError, "65"),
    ],
)
def test_what_cannot_be_loaded_is_named(subject, error, words):
    with pytest.raises(error, match=words):
        subject.load()


def test_only_what_is_no_processor_is_an_accelerator():
    assert Subject().accelerator is None
    assert Subject(device="meta").accelerator == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_is_called_by_its_name():
    assert Subject(device="cuda").accelerator == torch.cuda.get_device_name(0)
