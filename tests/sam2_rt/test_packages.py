import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from sam2_rt import packages
from sam2_rt.engine import Engine, EngineInfo, StepRequest, TrackerConfig
from sam2_rt.model.sam2 import SAM2, Memories
from sam2_rt.packages import CannotCompile, Packages
from sam2_rt.tracking.buckets import Buckets, Shape
from sam2_rt.tracking.calls import Calls, ShapedCalls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt
from small_model import small_model

# torch's own compiler imports what torch calls deprecated.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("DeprecationWarning", "FutureWarning")
]
INPUT = (torch.zeros(3, 8),)


class Doubling(nn.Module):
    """Has weights and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 100)
        self.register_buffer("two", torch.tensor(2.0), persistent=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.linear(x) * self.two,)


def frozen(seed: int) -> Doubling:
    torch.manual_seed(seed)
    return Doubling().requires_grad_(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one package in it."""
    folder = tmp_path_factory.mktemp("packages")
    module = frozen(0)
    with torch.no_grad():
        Packages(folder, module, "").graph("doubling", module, INPUT)
    return folder


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("it compiles again")


@pytest.fixture
def compiles_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.export, "export", refuse)


@pytest.mark.usefixtures("compiles_no_more")
def test_the_next_start_reads_the_package_and_takes_the_weights_that_it_has(folder):
    module = frozen(1)
    graph = Packages(folder, module, "").graph("doubling", module, INPUT)
    x = torch.randn(3, 8)
    torch.testing.assert_close(graph(x)[0], module(x)[0])


@pytest.mark.usefixtures("compiles_no_more")
def test_weights_are_used_where_they_lie(folder):
    module = frozen(1)
    graph = Packages(folder, module, "").graph("doubling", module, INPUT)
    module.linear.bias.add_(1)
    x = torch.randn(3, 8)
    torch.testing.assert_close(graph(x)[0], module(x)[0])


@pytest.mark.usefixtures("compiles_no_more")
@pytest.mark.parametrize(
    "change", ["shape", "type", "words", "short", "threads", "processor", "version", "stride"]
)
def test_what_a_package_was_not_made_for_does_not_find_it(folder, change, monkeypatch):
    module, inputs, words = frozen(0), INPUT, ""
    if change == "shape":
        inputs = (torch.zeros(4, 8),)
    elif change == "type":
        module, inputs = module.double(), (torch.zeros(3, 8, dtype=torch.float64),)
    elif change == "words":
        words = "another model"
    elif change == "short":
        module.two.fill_(3)
    elif change == "threads":
        monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    elif change == "processor":
        monkeypatch.setattr(packages, "_processor", lambda: "one without AMX")
    elif change == "version":
        monkeypatch.setattr(torch, "__version__", "9.9")
    else:
        inputs = (torch.zeros(8, 3).T,)
    with pytest.raises(AssertionError, match="compiles again"):
        Packages(folder, module, words).graph("doubling", module, inputs)


def test_without_a_compiler_it_says_what_to_do(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise torch._inductor.exc.InvalidCxxCompiler

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fail)
    module = frozen(0)
    with pytest.raises(CannotCompile, match="install g"):
        Packages(tmp_path, module, "").graph("doubling", module, INPUT)
    assert not list(tmp_path.iterdir())


def test_those_that_were_not_used_for_longest_give_way(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "MAX_PACKAGES", 2)
    for number, used in enumerate((400, 100, 300, 200)):
        path = tmp_path / f"{number}.pt2"
        path.write_bytes(b"")
        os.utime(path, (used, used))
    Packages(tmp_path, frozen(0), "")._forget_oldest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.pt2", "2.pt2"]


def test_a_broken_package_is_made_again(folder, tmp_path, caplog):
    [good] = folder.glob("*.pt2")
    broken = tmp_path / good.name
    broken.write_bytes(good.read_bytes()[:500])
    module = frozen(0)
    with torch.no_grad():
        graph = Packages(tmp_path, module, "").graph("doubling", module, INPUT)
    assert "made again" in caplog.text
    x = torch.randn(3, 8)
    torch.testing.assert_close(graph(x)[0], module(x)[0])
    assert [path.name for path in tmp_path.iterdir()] == [good.name]


@pytest.fixture(scope="module")
def model() -> SAM2:
    return small_model().eval().requires_grad_(False)


def some_memories() -> Memories:
    """A steady bank."""
    torch.manual_seed(0)
    return Memories(
        torch.randn(1, 7, 16, 4, 4).bfloat16(),
        torch.tensor([[0, 6, 5, 4, 3, 2, 1]]),
        torch.randn(1, 16, 32),
        torch.arange(1, 17)[None],
        None,
        None,
    )


class AnyBank(Buckets):
    """One shape holds every bank: a compilation less."""

    def _of(self, rows: int) -> tuple[Shape, Shape]:
        _, any_bank = Buckets._of(self, rows)
        return any_bank, any_bank


@pytest.fixture(scope="module")
def shaped(model: SAM2, tmp_path_factory: pytest.TempPathFactory) -> ShapedCalls:
    """All of one row: the real compiler, the real model."""
    packages = Packages(tmp_path_factory.mktemp("model"), model, "")
    shaped = ShapedCalls(model, AnyBank(1, 2), packages.graph)
    shaped.warm_up()
    return shaped


def test_the_model_s_own_graphs_give_what_the_model_gives(model, shaped):
    with torch.inference_mode():
        pixels = torch.randn(1, 3, 64, 64)
        expected = model.encode_image(pixels)
        found = shaped.encode(pixels)
        torch.testing.assert_close(found.feature, expected.feature, atol=1e-4, rtol=1e-4)
        memories = some_memories()
        ours, theirs = (calls.propagate(expected, memories) for calls in (shaped, Calls(model)))
    pairs = zip((*ours.decoded, ours.memory), (*theirs.decoded, theirs.memory), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


@pytest.mark.usefixtures("compiles_no_more")
def test_nothing_is_compiled_while_frames_are_served(model, shaped, monkeypatch):
    """Nine ticks: a bank that fills, a correction, a full bank; nor does anything trace."""
    for name in ("compile", "_dynamo.optimize", "_inductor.aoti_compile_and_package"):
        monkeypatch.setattr(f"torch.{name}", refuse)
    before = {name: dict(counts) for name, counts in counters.items()}
    info = EngineInfo("small", 64, "cpu", "float32", is_trained=False, max_tracks=1)
    engine = Engine(shaped, info, TrackerConfig(max_tracks=1, max_conditioning=2))
    stream = engine.open()
    for index in range(9):
        said = (Prompt(1, points=(Point(0.5, 0.4),)),) if index in {0, 4} else ()
        [result] = engine.step([StepRequest(stream, picture(index), said)])
        assert not isinstance(result, Exception)
        assert [mask.track_id for mask in result.masks] == [1]
    assert {name: dict(counts) for name, counts in counters.items()} == before
    assert shaped.batches_beyond == 0


def picture(index: int) -> Frame:
    rng = np.random.default_rng(index)
    return Frame(index, (rng.integers(0, 256, (48, 64, 3), dtype=np.uint8),))
