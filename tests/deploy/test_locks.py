import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires

import pytest
from observed import DEPLOY, ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = ["", "-cpu", "-cuda", "-tools"]
IMAGE = {"platform_system": "Linux", "sys_platform": "linux", "platform_machine": "x86_64"}
IMAGE |= {"python_version": "3.11", "python_full_version": "3.11.9", "os_name": "posix"}
DEPENDENCIES = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


def lock(which: str) -> dict[str, tuple[str, list[str]]]:
    """Name -> version and hashes of deploy/requirements{which}.txt."""
    text = (DEPLOY / f"requirements{which}.txt").read_text()
    found = re.findall(
        r"^([\w.-]+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})*)", text, re.MULTILINE
    )
    lines = [line for line in text.splitlines() if line[:1].isalpha()]
    assert len(found) == len(lines), which
    return {canonicalize_name(n): (v, re.findall(r"[0-9a-f]{64}", h)) for n, v, h in found}


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    return {canonicalize_name(n): v for n, v in (line.split("==") for line in lines)}


def needed() -> set[str]:
    """What the project needs on the image's platform, by what is installed here."""
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in DEPENDENCIES]
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            key = (canonicalize_name(one.name), extra)
            if key in seen:
                continue
            seen.add(key)
            try:
                below = [Requirement(text) for text in requires(one.name) or []]
            except PackageNotFoundError:  # of another platform
                continue
            at = IMAGE | {"extra": extra}
            waiting += [r for r in below if r.marker is None or r.marker.evaluate(at)]
    return {name for name, _ in seen}


@pytest.mark.parametrize("which", FILES)
def test_every_file_is_known_by_its_hash(which: str):
    assert lock(which)
    assert all(hashes for _, hashes in lock(which).values())


@pytest.mark.parametrize("which", FILES)
def test_releases_are_those_that_were_tested(which: str):
    tested = pins()
    locked = {name: version.partition("+")[0] for name, (version, _) in lock(which).items()}
    differing = {n: v for n, v in locked.items() if n in tested and tested[n] != v}
    assert which == "-tools" or not differing, "run deploy/lock.sh"


@pytest.mark.parametrize("which", ["-cpu", "-cuda"])
def test_all_that_the_service_needs_is_locked(which: str):
    locked = lock("").keys() | lock(which).keys()
    assert needed() - locked == set(), "run deploy/lock.sh"


def test_nothing_else_is_locked_for_a_cpu():
    assert (lock("").keys() | lock("-cpu").keys()) - needed() == set(), "run deploy/lock.sh"


def test_torch_s_own_are_apart():
    assert lock("-cpu")["torch"][0] == f"{pins()['torch']}+cpu"
    assert lock("-cuda")["torch"][0] == pins()["torch"]
    assert not lock("").keys() & lock("-cuda").keys()
    assert all(re.match("torch|triton|cuda-|nvidia-", name) for name in lock("-cuda"))


def test_the_wheel_is_built_by_what_the_project_names():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert build == [f"hatchling=={lock('-tools')['hatchling'][0]}"]
