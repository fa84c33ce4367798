"""Transfer: to the device without waiting for what it is at, and back with one wait for all."""

from collections.abc import Sequence

import torch
from torch import Tensor

Numbers = Sequence["int | float | Numbers"]


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host's, on the device. From ordinary memory a copy waits for the device."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def send_numbers(numbers: Numbers, device: torch.device) -> Tensor:
    """Likewise, of nested sequences."""
    return send(torch.tensor(numbers), device)


def receive(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of one device, on the host; on a CPU they are the same ones."""
    if not tensors or tensors[0].device.type != "cuda":
        return [tensor.cpu() for tensor in tensors]
    here = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in tensors]
    for ours, theirs in zip(here, tensors, strict=True):
        ours.copy_(theirs, non_blocking=True)
    wait(tensors[0].device)
    return here


def wait(device: torch.device) -> None:
    """Until a GPU has done all that it was given: the only place where the host waits for one."""
    torch.cuda.current_stream(device).synchronize()
