"""Stopwatch: how long a device was at something, without waiting for it."""

import time

import torch


class Stopwatch:
    """Runs from its making to stop(). On a GPU it is the GPU's own time between two marks."""

    def __init__(self, device: torch.device) -> None:
        self._begun = self._ended = _mark(device)
        self._device = device
        self._begun_s = self._ended_s = time.perf_counter()

    def stop(self) -> None:
        """The work was given to the device."""
        self._ended = _mark(self._device)
        self._ended_s = time.perf_counter()

    def seconds(self) -> float:
        """Of the device; of the host where nobody has waited for a GPU since."""
        if self._begun is None or self._ended is None or not self._ended.query():
            return self._ended_s - self._begun_s
        return self._begun.elapsed_time(self._ended) / 1000


def _mark(device: torch.device) -> torch.cuda.Event | None:
    """A place in the GPU's queue of work."""
    if device.type != "cuda":
        return None
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event
