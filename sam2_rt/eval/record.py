"""Record: what an evaluation found, as a line of JSON and as a dated row in RESULTS.md."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

RESULTS: Final = Path(__file__).parent / "RESULTS.md"
JSON_LINES: Final = "results.jsonl"

_CPU_INFO: Final = Path("/proc/cpuinfo")


class Number(NamedTuple):
    """One result; None where there was nothing to measure."""

    name: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Record:
    """What one run found, and under which circumstances."""

    suite: str
    """A title in RESULTS.md: rows of one suite stand in one table."""
    subject: str
    numbers: tuple[Number, ...]
    threads: int
    date: str
    commit: str
    machine: str
    command: str
    step: int | None = None
    """Of the training that made the weights; None: nobody knows."""

    @classmethod
    def now(
        cls,
        suite: str,
        subject: str,
        numbers: Sequence[Number],
        threads: int,
        accelerator: str | None = None,
    ) -> "Record":
        """Here and today, by the command that is running; None: the processor did it all."""
        machine = f"{accelerator}, {_machine(threads)}" if accelerator else _machine(threads)
        here = (time.strftime("%Y-%m-%d"), _commit(), machine, _command(sys.argv[1:]))
        return cls(suite, subject, tuple(numbers), threads, *here)

    def to_json(self) -> str:
        """One line; numbers by their names."""
        fields = {
            "suite": self.suite,
            "subject": self.subject,
            "step": self.step,
            "date": self.date,
            "commit": self.commit,
            "machine": self.machine,
            "command": self.command,
        }
        numbers = {name: None if value is None else round(value, 4) for name, value in self.numbers}
        return json.dumps(fields | {"numbers": numbers}, allow_nan=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the suite's table."""
        names = (number.name for number in self.numbers)
        return ("date", "commit", "machine", "model", "command", *names)

    @property
    def cells(self) -> tuple[str, ...]:
        """Of this run's row."""
        values = (_show(number.value) for number in self.numbers)
        circumstances = (self.date, self.commit, self.machine, self.subject)
        return (*circumstances, f"`{self.command}`", *values)


def append_line(folder: Path, record: Record) -> None:
    """Adds the record to the folder's JSON lines."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / JSON_LINES).open("a") as file:
        file.write(record.to_json() + "\n")


def append_row(file: Path, record: Record) -> None:
    """Adds the record to the table of its suite: under its heading, which is made if need be.

    A table whose columns are others stays as it is; a new one begins above it.
    """
    lines = file.read_text().splitlines() if file.is_file() else []
    heading = f"## Evaluation: {record.suite}"
    if heading not in lines:
        lines += ["", heading, ""]
    start = lines.index(heading) + 1
    end = next((i for i in range(start, len(lines)) if lines[i].startswith("## ")), len(lines))
    header = _row(record.columns)
    if header in lines[start:end]:
        place = lines.index(header, start, end)
        while place < end and lines[place].startswith("|"):
            place += 1
        lines.insert(place, _row(record.cells))
    else:
        table = [header, _row(["---"] * len(record.columns)), _row(record.cells), ""]
        lines[start + 1 : start + 1] = table
    file.write_text("\n".join(lines).rstrip() + "\n")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _show(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _command(arguments: Sequence[str]) -> str:
    """What was asked for, without the folders of this machine."""
    own = arguments[1:] if arguments[:1] == ["eval"] else arguments
    return " ".join(("eval", *(_without_folders(part) for part in own if part != "--record")))


def _without_folders(part: str) -> str:
    """A word of the command; of a path, also of one behind --option=, the last name."""
    option, equals, value = part.partition("=") if part.startswith("-") else ("", "", part)
    return f"{option}{equals}{Path(value).name if '/' in value else value}"


def _machine(threads: int) -> str:
    """The processor and how many threads were used."""
    name = platform.processor() or platform.machine()
    if _CPU_INFO.is_file():
        lines = _CPU_INFO.read_text().splitlines()
        models = (line.partition(":")[2].strip() for line in lines if "model name" in line)
        name = next(models, name)
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def _commit() -> str:
    """Of this code, with a + where it is changed; a question mark where nobody knows."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ("git", "describe", "--always", "--dirty=+", "--exclude=*"),  # noqa: S607 - on the PATH
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # no git on this machine
        return "?"
    return found.stdout.strip() or "?"
