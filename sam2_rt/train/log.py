"""Log: a line of JSON each few steps, read back to draw the curve of learning."""

import json
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One entry; fields that were not measured then are None."""

    step: int
    hours: float
    """Of learning, over all runs."""
    frames: int
    """Of the clips at that time."""
    lr: float
    loss: float | None = None
    found_iou: float | None = None
    click: float | None = None
    box: float | None = None
    clip: float | None = None


class Log:
    """Appends to a file; a run that goes on goes on counting hours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = read(path)
        self._hours = lines[-1].hours if lines else 0.0
        self._started = time.monotonic()

    @property
    def hours(self) -> float:
        """Of learning so far."""
        return self._hours + (time.monotonic() - self._started) / 3600

    def write(self, line: Line) -> None:
        """Appends at once, so that a killed run loses no line."""
        fields = {name: getattr(line, name) for name in Line.__slots__}
        with self.path.open("a") as file:
            file.write(json.dumps(fields) + "\n")


def read(path: Path) -> list[Line]:
    """All lines; none if there is no file."""
    if not path.exists():
        return []
    return [Line(**json.loads(text)) for text in path.read_text().splitlines()]
