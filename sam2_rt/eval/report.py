"""Report: where results go: a table, a line of JSON, contact sheets, a row in RESULTS.md."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from sam2_rt.eval.record import RESULTS, Number, Record, append_line, append_row
from sam2_rt.eval.sheet import Worst, write_sheet
from sam2_rt.eval.subject import Subject
from sam2_rt.eval.tables import Shown


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of one run."""

    subject: Subject
    out: Path
    """Folder for sheets, plots and JSON lines; made if need be."""
    is_recorded: bool
    """Whether rows are added to RESULTS.md."""
    console: Console = field(default_factory=Console)
    notes: Console = field(default_factory=lambda: Console(stderr=True))

    def warn_if_untrained(self) -> None:
        """Says that the numbers mean nothing, if they do."""
        if not self.subject.is_trained:
            self.note(f"{self.subject.model} is untrained: its weights are random", "yellow")

    def tell(self, suite: str, shown: Shown, skipped: Sequence[object] = ()) -> None:
        """Prints a table and what was left out, then files the numbers."""
        self.console.print(shown.table)
        for one in skipped:
            self.note(f"left out: {one}", "yellow")
        self.file(suite, shown.numbers)

    def file(self, suite: str, numbers: Sequence[Number]) -> None:
        """Prints the numbers as a line of JSON, keeps that, and adds a row if that is wanted."""
        subject = self.subject
        now = Record.now(suite, subject.name, numbers, subject.threads, subject.accelerator)
        record = replace(now, step=subject.step)
        self.console.print(
            record.to_json(), soft_wrap=True, highlight=False, markup=False, emoji=False
        )
        append_line(self.out, record)
        if self.is_recorded:
            append_row(RESULTS, record)
            self.note(f"added a row to {RESULTS}")

    def draw(self, name: str, worst: Worst) -> None:
        """Writes the contact sheet of the worst cases."""
        title = f"{name}, {self.subject.name}: the worst first"
        sheet = write_sheet(self.path(name), title, worst.strips)
        if sheet is not None:
            self.note(f"the worst are in {sheet}")

    def path(self, name: str) -> Path:
        """Of a picture of this run."""
        words = re.sub(r"[^\w.-]+", "-", f"{name} {self.subject.name}").strip("-")
        return self.out / f"{words}.png"

    def note(self, text: str, style: str = "") -> None:
        """A line on stderr."""
        self.notes.print(text, style=style, soft_wrap=True, highlight=False, markup=False)
