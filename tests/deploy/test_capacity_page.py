"""What capacity.md says a pod holds are rows of the records that it names."""

import re

import pytest
from observed import DEPLOY, ROOT

PAGE = (DEPLOY / "capacity.md").read_text()
HELD = re.findall(r"^\| (\d+) \| (\S+/RESULTS\.md), (.+?) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("sessions", "file", "words"), HELD)
def test_a_number_of_sessions_is_a_row_of_its_record(sessions: str, file: str, words: str):
    (commit,) = re.findall(r"\b(?=\w*\d)[0-9a-f]{7}\b", words)
    numbers = re.findall(r"\d+\.\d|(?<=p95 )\d+", words)
    assert numbers
    rows = [line for line in (ROOT / file).read_text().splitlines() if commit in line]
    assert [row for row in rows if all(re.search(rf"\b{n}\b", row) for n in numbers)], file


def test_the_command_of_the_table_begins_with_what_was_measured():
    command = re.search(r"--sessions-per-pod ([\d ]+) --", PAGE)[1].split()
    measured = [sessions for sessions, _, _ in HELD]
    assert len(measured) == 2
    assert command[: len(measured)] == measured
