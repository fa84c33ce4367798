from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sam2_rt.graphs import CudaRecorder, RecordedGraphs, Run, as_it_is
from sam2_rt.model.config import ModelConfig
from sam2_rt.tick import Turn, tick
from sam2_rt.tracking.buckets import Buckets
from sam2_rt.tracking.calls import Calls, ShapedCalls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.tracker import Tracker
from seeded import SMALL_HIERA
from small_model import SMALL, small_model

HIERA = ModelConfig(SMALL_HIERA, image_size=64, dim=64, memory_layers=1, feedforward_dim=64)
BUCKETS = Buckets(max_rows=2, max_conditioning=4)


class Recorder:
    """Stands for a GPU's: a replay writes to the very tensors that the first run returned."""

    def __init__(self) -> None:
        self.num_replays = 0

    def __call__(self, run: Run) -> tuple[Callable[[], None], Sequence[Tensor]]:
        outputs = run()

        def replay() -> None:
            self.num_replays += 1
            for ours, new in zip(outputs, run(), strict=True):
                ours.copy_(new)

        return replay, outputs


class Doubling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.num_calls = 0

    def forward(self, x: Tensor) -> tuple[Tensor]:
        self.num_calls += 1
        return (2 * x,)


def refuse(_run: Run) -> tuple[Callable[[], None], Sequence[Tensor]]:
    raise RuntimeError("operation not permitted when stream is capturing")


def test_a_replay_reads_what_it_is_given_and_what_it_gave_stays():
    recorder = Recorder()
    graph = RecordedGraphs(as_it_is, recorder).graph("doubling", Doubling(), (torch.zeros(2),))
    [first], [second] = (graph(torch.tensor([x, 0.0])) for x in (1.0, 5.0))
    assert (first.tolist(), second.tolist()) == ([2, 0], [10, 0])
    assert recorder.num_replays == 2


def test_the_tensors_it_was_recorded_with_are_its_own():
    inputs = (torch.zeros(2),)
    graph = RecordedGraphs(as_it_is, Recorder()).graph("doubling", Doubling(), inputs)
    given = torch.ones(2)
    graph(given)
    assert inputs[0].tolist() == [0, 0]
    assert given.tolist() == [1, 1]


def test_another_shape_than_the_recorded_one_is_a_mistake():
    graph = RecordedGraphs(as_it_is, Recorder()).graph("doubling", Doubling(), (torch.zeros(2),))
    with pytest.raises(AssertionError, match=r"\[1\]\) is not the recorded"):
        graph(torch.zeros(1))


def test_what_cannot_be_recorded_runs_as_it_is_and_is_told(caplog):
    graphs, module = RecordedGraphs(as_it_is, refuse), Doubling()
    graph = graphs.graph("doubling", module, (torch.zeros(2),))
    assert graph(torch.ones(2))[0].tolist() == [2, 2]
    assert graph is module
    assert (graphs.refused, graphs.num_recorded) == (["doubling"], 0)
    assert "doubling cannot be recorded" in caplog.text
    assert "stream is capturing" in caplog.text


def test_what_cannot_be_prepared_is_not_recorded():
    def fail(*_: object) -> None:
        raise ValueError("no compiler")

    with pytest.raises(ValueError, match="no compiler"):
        RecordedGraphs(fail, Recorder()).graph("doubling", Doubling(), (torch.zeros(2),))


def follow(calls: Calls, device: torch.device) -> list[Tensor]:
    """Three streams, the second with two tracks, of which one is corrected; all mask logits."""
    pool = MemoryPool(calls.model.config, 8, 4, device)
    streams = [Tracker(calls, pool=pool) for _ in range(3)]
    logits = []
    for index in range(9):
        turns = [Turn(t, picture(s, index), said(s, index)) for s, t in enumerate(streams)]
        logits += [p.mask_logits.cpu() for found in tick(calls, turns) for p in found]
    return logits


def picture(stream: int, index: int) -> Frame:
    rng = np.random.default_rng((stream, index))
    return Frame(index, (rng.integers(0, 256, (48, 64, 3), dtype=np.uint8),))


def said(stream: int, index: int) -> tuple[Prompt, ...]:
    ids = (1, 2) if stream == 1 else (1,)
    if index == 5 and stream == 1:
        return (Prompt(2, points=(Point(0.2, 0.8),)),)
    return tuple(Prompt(i, points=(Point(i / 3, 0.4),)) for i in ids) if index == 0 else ()


def check_that_masks_agree(device: torch.device, graphs: RecordedGraphs) -> None:
    model = small_model().eval().to(device)
    model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias").data.add_(20)
    shaped = ShapedCalls(model, BUCKETS, graphs.graph)
    shaped.warm_up()
    assert graphs.num_recorded == len(BUCKETS.counts) + len(BUCKETS.shapes)
    ours, theirs = follow(shaped, device), follow(Calls(model), device)
    assert len(ours) == len(theirs) == 36
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=5e-3, rtol=2e-3)


def test_recorded_steps_give_the_masks_of_the_model_as_it_is():
    recorder = Recorder()
    check_that_masks_agree(torch.device("cpu"), RecordedGraphs(as_it_is, recorder))
    assert recorder.num_replays > 0


class Strays(TorchDispatchMode):
    """Notes operations that touch the host's memory, which no recording may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
        if any(x.device.type == "cpu" for x in tensors):
            self.found.append(str(operation))
        return result


@pytest.mark.parametrize("config", [SMALL, HIERA], ids=["nano", "official"])
def test_what_is_recorded_stays_on_the_device_and_asks_for_no_number(config):
    """On a device that holds no numbers: whoever asked for one would fail."""
    model = small_model(config).eval().to("meta")
    strays, recorder = Strays(), Recorder()

    def watched(run: Run) -> tuple[Callable[[], None], Sequence[Tensor]]:
        run()  # the first run makes what is made once
        with strays:
            return recorder(run)

    graphs = RecordedGraphs(as_it_is, watched)
    ShapedCalls(model, Buckets(1, 4), graphs.graph).warm_up()
    assert graphs.num_recorded == 3
    assert strays.found == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_records_every_shape_and_gives_the_same_masks():
    cuda = torch.device("cuda")
    graphs = RecordedGraphs(as_it_is, CudaRecorder(cuda))
    check_that_masks_agree(cuda, graphs)
    assert not graphs.refused
