from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sam2_rt.model.sam2 import SAM2
from sam2_rt.tick import Turn, tick
from sam2_rt.tracking.buckets import Buckets
from sam2_rt.tracking.calls import Calls, Graph, ShapedCalls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.tracker import Tracker
from small_model import small_model

BUCKETS = Buckets(max_rows=4, max_conditioning=4)


@pytest.fixture(scope="module")
def model() -> SAM2:
    model = small_model().eval()
    model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias").data.add_(20)
    return model


class Graphs:
    """Stands for the compiler: runs the module, but only for tensors like those it was made for."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def prepare(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> Graph:
        self.names.append(name)
        made_for = [(x.shape, x.stride(), x.dtype) for x in inputs]

        def graph(*given: Tensor) -> Sequence[Tensor]:
            assert [(x.shape, x.stride(), x.dtype) for x in given] == made_for, name
            return module(*given)

        return graph


@pytest.fixture
def graphs() -> Graphs:
    return Graphs()


@pytest.fixture
def shaped(model: SAM2, graphs: Graphs) -> ShapedCalls:
    calls = ShapedCalls(model, BUCKETS, graphs.prepare)
    calls.warm_up()
    return calls


def follow(calls: Calls, lengths: tuple[int, ...], tracks: int = 1) -> list[torch.Tensor]:
    """Streams that begin one frame after the other, with a correction; mask logits of each tick."""
    pool = MemoryPool(calls.model.config, 24, 4, torch.device("cpu"))
    streams = [Tracker(calls, pool=pool) for _ in lengths]
    logits = []
    for now in range(max(lengths) + len(lengths)):
        turns = [
            Turn(tracker, picture(s, now - s), prompts(now - s, tracks))
            for s, tracker in enumerate(streams)
            if 0 <= now - s < lengths[s]
        ]
        found = tick(calls, turns)
        logits += [p.mask_logits for one in found for p in one]
    return logits


def picture(stream: int, index: int) -> Frame:
    rng = np.random.default_rng((stream, index))
    return Frame(index, (rng.integers(0, 256, (48, 64, 3), dtype=np.uint8),))


def prompts(index: int, tracks: int) -> tuple[Prompt, ...]:
    if index not in (0, 5):
        return ()
    return tuple(Prompt(i, points=(Point(i / 7, 0.4),)) for i in range(1, tracks + 1))


def agree(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    assert len(found) == len(expected) > 0
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=2e-3)


@pytest.mark.parametrize(
    ("lengths", "tracks"), [((10,), 1), ((10, 9, 8), 1), ((10, 9), 2), ((9,), 4)]
)
def test_padding_to_a_shape_does_not_change_the_masks(model, shaped, lengths, tracks):
    agree(follow(shaped, lengths, tracks), follow(Calls(model), lengths, tracks))
    assert shaped.batches_beyond == 0


def test_all_graphs_are_made_before_the_first_frame(shaped, graphs):
    made = list(graphs.names)
    assert len(set(made)) == len(BUCKETS.shapes) + len(BUCKETS.counts)
    follow(shaped, (10, 9, 8))
    assert graphs.names == made


def test_a_batch_of_more_rows_than_the_largest_shape_goes_in_parts(model, shaped):
    """Six streams of three tracks: frames and rows of one tick are both too many for one part."""
    lengths = (4,) * 6
    agree(follow(shaped, lengths, tracks=3), follow(Calls(model), lengths, tracks=3))
    assert shaped.batches_beyond == 0


def test_a_stream_of_more_tracks_than_rows_goes_in_parts(model, shaped):
    agree(follow(shaped, (4,), tracks=6), follow(Calls(model), (4,), tracks=6))
    assert shaped.batches_beyond == 0


def test_banks_beyond_the_largest_shape_take_the_model_as_it_is_and_are_counted(
    model, graphs, caplog
):
    calls = ShapedCalls(model, Buckets(max_rows=4, max_conditioning=1), graphs.prepare)
    calls.warm_up()
    agree(follow(calls, (14, 13)), follow(Calls(model), (14, 13)))
    assert calls.batches_beyond > 1
    assert caplog.text.count("more than is made ready") == 1
