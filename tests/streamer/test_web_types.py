"""The JSDoc types of client.js and its neighbours, and a program with them: TypeScript agrees."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TSC = HERE / "node_modules" / ".bin" / "tsc"


def test_the_library_and_a_program_that_uses_it_agree_with_their_types():
    if not TSC.exists():
        pytest.skip("TypeScript is missing: npm ci --prefix tests/streamer")
    checked = subprocess.run(
        [TSC, "--project", HERE, "--pretty", "false"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")
