"""What CI runs, and in which order."""

import shutil
import subprocess
from pathlib import Path

import pytest
from observed import ROOT
from pretended import planted, write

HERE = Path(__file__).parent
WITH_CONTAINERS = ["tests/deploy/test_container.py", "tests/deploy/test_compose_up.py"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return planted(tmp_path)


def ci(tree: Path, ready: str, containers: int = 0, code: int = 0) -> list[str]:
    """What .ci/run calls with which PYTEST_ADDOPTS, once containers.sh has said this.

    containers: how containers.sh or the tests with containers end; code: how all of it should.
    """
    (tree / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tree / ".ci/run")
    write(tree / "tests/deploy/containers.sh", f"echo '{ready}'; exit {0 if ready else containers}")
    for name in ("chromium", "turnserver", "promtool", "ldconfig", "npm"):
        write(tree / "bin" / name, "")
    log = 'echo "${0##*/} $* | ${PYTEST_ADDOPTS:-}" >>"$LOG"'
    write(tree / "bin/make", log)
    write(tree / ".venv/bin/python", f"{log}; exit {containers}")
    done = subprocess.run(
        ["bash", tree / ".ci/run"],
        env={"PATH": f"{tree}/bin", "LOG": str(tree / "log")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return (tree / "log").read_text().splitlines()


@pytest.mark.parametrize("code", [0, 1])
def test_ci_runs_the_files_with_containers_by_themselves_and_then_the_rest(tree: Path, code: int):
    ignored = " ".join(f"--ignore={name}" for name in WITH_CONTAINERS)
    assert ci(tree, "export STREAMER_TEST_IMAGE=localhost/s:1", code, code)[-2:] == [
        f"python -m pytest {' '.join(WITH_CONTAINERS)} | -rs",
        f"make test | -rs {ignored}",
    ]


def test_ci_fails_with_an_image_that_cannot_be_built_and_runs_the_rest_nevertheless(tree: Path):
    assert ci(tree, "", 3, 3)[-1] == "make test | -rs"


def test_ci_runs_all_at_once_where_there_are_no_containers(tree: Path):
    assert ci(tree, "export STREAMER_TEST_NO_CONTAINERS=why")[-1] == "make test | -rs"


def test_all_files_with_containers_are_run_so():
    using = {p.name for p in HERE.glob("test_*.py") if "built_image()" in p.read_text()}
    assert using - {Path(__file__).name} == {Path(name).name for name in WITH_CONTAINERS}
