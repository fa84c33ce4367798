"""Graphs: what a GPU does for one shape, recorded once as a CUDA graph and replayed.

A small model's step is some thousand launches of kernels that take less long than their launching;
a recorded graph is one launch (CUDA C++ Programming Guide, "CUDA Graphs").
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from sam2_rt.tracking.calls import Graph, Prepare

log = logging.getLogger(__name__)

Run = Callable[[], Sequence[Tensor]]
"""Reads and writes tensors that stay where they are."""
Record = Callable[[Run], tuple[Callable[[], None], Sequence[Tensor]]]
"""Makes of a run what repeats it, and the tensors that each repetition writes to."""

WARM_UPS: Final = 2
"""Runs before the recording: libraries choose their kernels and take their room in the first."""


class RecordedGraphs:
    """Records what another way of preparing gives. What cannot be recorded runs as it was given."""

    def __init__(self, prepare: Prepare, record: Record) -> None:
        self.num_recorded = 0
        self.refused: list[str] = []  # names; at most as many as there are shapes
        self._prepare = prepare
        self._record = record

    def graph(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> Graph:
        """Of the module for tensors like these. Raises what preparing it does."""
        run = self._prepare(name, module, inputs)
        try:
            recorded = _Recorded(run, inputs, self._record)
        except RuntimeError as error:  # torch's only word, for what no graph holds and for no room
            log.warning("%s cannot be recorded and runs call by call: %s", name, error)
            self.refused.append(name)
            return run
        self.num_recorded += 1
        return recorded


class _Recorded:
    """A recorded run with the tensors that it reads from and writes to."""

    def __init__(self, run: Graph, inputs: tuple[Tensor, ...], record: Record) -> None:
        self._inputs = tuple(x.clone(memory_format=torch.preserve_format) for x in inputs)
        self._replay, self._outputs = record(lambda: run(*self._inputs))

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        for own, given in zip(self._inputs, inputs, strict=True):
            # copy_ would spread a smaller tensor over the larger one without a word.
            assert own.shape == given.shape, f"{given.shape} is not the recorded {own.shape}"
            own.copy_(given)
        self._replay()
        # Copies: the next replay writes to the same tensors, and callers keep what they got.
        return tuple(x.clone() for x in self._outputs)


class CudaRecorder:
    """Records on one device. All its graphs share their memory, as none runs beside another.

    One may write over what another one gave, which by then has been copied.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._room = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> tuple[Callable[[], None], Sequence[Tensor]]:
        """Raises RuntimeError for a run that waits for the device or finds no room."""
        with torch.cuda.device(self._device):
            stream, aside = torch.cuda.current_stream(), torch.cuda.Stream()
            aside.wait_stream(stream)
            with torch.cuda.stream(aside):  # first calls may do what no recording may hold
                for _ in range(WARM_UPS):
                    run()
            stream.wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._room):
                outputs = run()
        return graph.replay, outputs


def as_it_is(_name: str, module: nn.Module, _inputs: tuple[Tensor, ...]) -> Graph:
    """Prepares nothing."""
    graph: Graph = module
    return graph
