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
    waited_s: float | None = None
    """For samples, since the last start or the last change of length."""


class Log:
    """Appends to a file; a run that goes on goes on counting hours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = read(path)
        if path.exists():  # a line that was cut off would garble the next
            with path.open("r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
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
    """The lines of the run as it is; none if there is no file.

    A run that was killed goes on from a step before its last line: what was taken back is left out,
    as is a last line that was cut off.
    """
    if not path.exists():
        return []
    lines: list[Line] = []
    for text in path.read_text().rpartition("\n")[0].splitlines():
        line = Line(**json.loads(text))
        while lines and lines[-1].step > line.step:
            lines.pop()
        lines.append(line)
    return lines
