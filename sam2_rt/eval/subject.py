"""Subject: the checkpoint that is evaluated, and what it is called in a table."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import torch
from safetensors import SafetensorError, safe_open

from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2


@dataclass(frozen=True, slots=True)
class Subject:
    """Which model is evaluated, and where it runs."""

    model: str = "nano"
    """A name of the zoo."""
    checkpoint: Path | None = None
    """Weights in place of the zoo's."""
    image_size: int | None = None
    """Side of the input in pixels; None: the model's own."""
    threads: int = 1
    """Of torch on a CPU."""
    device: str = "cpu"

    @property
    def name(self) -> str:
        """The model, its file and its size, as far as they were given."""
        file = f" {self.checkpoint.name}" if self.checkpoint else ""
        size = f" at {self.image_size}" if self.image_size else ""
        return f"{self.model}{file}{size}"

    @property
    def is_trained(self) -> bool:
        """False: the weights are random."""
        return zoo.is_trained(self.model, self.checkpoint)

    @property
    def step(self) -> int | None:
        """Of the training that made the checkpoint, as its file says; None: it does not."""
        if self.checkpoint is None or self.checkpoint.suffix != ".safetensors":
            return None
        try:
            with safe_open(self.checkpoint, "pt") as file:
                told = (file.metadata() or {}).get("step", "")
        except (SafetensorError, OSError):  # load() says so
            return None
        return int(told) if told.isdecimal() else None

    @property
    def accelerator(self) -> str | None:
        """What the device is called, as in a row of results; None: it is the processor."""
        kind = torch.device(self.device).type
        if kind == "cuda":
            return torch.cuda.get_device_name(self.device)
        return None if kind == "cpu" else kind

    def load(self) -> SAM2:
        """The model in eval mode. Raises ValueError or OSError, which say what is missing."""
        torch.set_num_threads(self.threads)
        cv2.setNumThreads(self.threads)
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:  # torch's words for no such device here
            raise ValueError(f"device {self.device!r} is not to be had here: use cpu") from error
        return zoo.load(self.model, self.checkpoint, device=self.device, image_size=self.image_size)
