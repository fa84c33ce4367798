"""What images.sh hands to a build, builds on demand, and takes for a fault of the network."""

from pathlib import Path

import pytest
from pretended import WELL, planted, run, write

LOG = f'{WELL["buildah"]}; [ "$1" != bud ] || echo "$*" >>"$LOG"'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return planted(tmp_path)


def built(tree: Path, **variables: str) -> list[str]:
    """What buildah is called with."""
    log = tree / "log"
    write(tree / "bin/buildah", LOG)
    assert run(tree, "images.sh", LOG=str(log), **variables)[0] == 0
    return log.read_text().splitlines()


def test_the_image_with_cuda_is_built_for_those_who_ask(tree: Path):
    assert not [line for line in built(tree) if "cuda" in line]
    (line,) = [line for line in built(tree, CUDA="1") if "cuda" in line]
    assert "--tag localhost/streamer:7.8.9-cuda --target cuda" in line


def test_certificates_are_handed_to_every_build_of_ours(tree: Path):
    here = tree / "here.crt"
    here.write_text("of a proxy")
    lines = [line for line in built(tree, PIP_CERT=str(here), CUDA="1") if "/streamer:" in line]
    assert len(lines) == 2
    assert all(f"--volume {here}:/run/pip.crt:ro" in line for line in lines)


def test_the_text_of_a_step_is_not_taken_for_a_fault_of_the_network(tree: Path):
    step = "echo '[6/7] STEP 10/12: HEALTHCHECK --timeout=3s'"
    said = f"{step}; echo hashes differ; exit 1"
    write(tree / "bin/buildah", f'{WELL["buildah"]}; [ "$1" != bud ] || {{ {said}; }}')
    code, lines = run(tree, "images.sh")
    assert (code, lines[-1]) == (1, "hashes differ")
