"""Transfer: from the host to the device without waiting for what the device is at."""

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
