import json
import re
import sys
from dataclasses import replace

import pytest

from sam2_rt.eval.record import Number, Record, append_line, append_row


@pytest.fixture
def record(monkeypatch) -> Record:
    arguments = ["prog", "vos", "--data", "/somewhere/else/clips", "--size", "64", "--record"]
    monkeypatch.setattr(sys, "argv", arguments)
    numbers = (Number("objects", 13), Number("J&F", 0.42871), Number("delay", None))
    return Record.now("VOS, first mask", "nano at 64", numbers, threads=2)


def test_it_says_when_where_and_how(record):
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record.date)
    assert re.fullmatch(r"[0-9a-f]{7,}\+?|\?", record.commit)
    assert record.machine.endswith(", 2 threads")
    assert record.command == "eval vos --data clips --size 64"


def test_the_command_is_named_once_by_either_way_in(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sam2-rt", "eval", "scenes"])
    assert Record.now("s", "nano", (), 1).command == "eval scenes"


def test_a_line_of_json_has_the_numbers_by_name(record):
    line = json.loads(record.to_json())
    assert line["numbers"] == {"objects": 13, "J&F": 0.4287, "delay": None}
    assert line["subject"] == "nano at 64"


def test_lines_add_up(record, tmp_path):
    append_line(tmp_path / "new", record)
    append_line(tmp_path / "new", record)
    lines = (tmp_path / "new" / "results.jsonl").read_text().splitlines()
    assert lines == [record.to_json()] * 2


def test_a_row_begins_a_table_in_a_new_section(record, tmp_path):
    file = tmp_path / "RESULTS.md"
    file.write_text("# Results\n\n## Speed\n\n| a |\n|---|\n| 1 |\n")
    append_row(file, record)
    row = "`eval vos --data clips --size 64` | 13 | 0.429 |  |"
    lines = file.read_text().splitlines()
    assert lines[:7] == ["# Results", "", "## Speed", "", "| a |", "|---|", "| 1 |"]
    assert lines[8:] == [
        "## Evaluation: VOS, first mask",
        "",
        "| date | commit | machine | model | command | objects | J&F | delay |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        f"| {record.date} | {record.commit} | {record.machine} | nano at 64 | {row}",
    ]


def test_rows_of_one_suite_stand_in_one_table_under_what_was_there(record, tmp_path):
    file = tmp_path / "RESULTS.md"
    append_row(file, record)
    file.write_text(file.read_text() + "\nRead: good.\n\n## Later\n\nWords.\n")
    append_row(file, record)
    lines = file.read_text().splitlines()
    rows = [i for i, line in enumerate(lines) if line.startswith(f"| {record.date}")]
    assert rows[1] == rows[0] + 1
    assert lines[rows[1] + 2] == "Read: good."
    assert lines[-1] == "Words."


def test_other_columns_begin_another_table(record, tmp_path):
    file = tmp_path / "RESULTS.md"
    append_row(file, record)
    other = Record.now(record.suite, "nano", (Number("J", 0.5),), 1)
    append_row(file, other)
    append_row(file, record)
    text = file.read_text()
    assert text.count("## Evaluation: VOS, first mask") == 1
    assert text.count("| date ") == 2
    assert text.count("0.429") == 2


def test_a_stroke_in_a_cell_does_not_end_it(record, tmp_path):
    file = tmp_path / "RESULTS.md"
    append_row(file, Record.now("s", "nano", (Number("a|b", 1),), 1))
    assert "| a/b |" in file.read_text()


def test_an_option_keeps_its_name_and_a_value_may_be_called_eval(monkeypatch):
    words = ["sam2-rt", "eval", "vos", "--data=/a/b/clips", "--split", "eval", "--size=64"]
    monkeypatch.setattr(sys, "argv", words)
    shown = "eval vos --data=clips --split eval --size=64"
    assert Record.now("s", "nano", (), 1).command == shown


def test_an_accelerator_comes_before_the_processor():
    machine = Record.now("s", "nano", (), 1).machine
    assert Record.now("s", "nano", (), 1, "GPU 9000").machine == f"GPU 9000, {machine}"


def test_a_line_is_json_or_an_error(record):
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(record, numbers=(Number("J", float("nan")),)).to_json()
