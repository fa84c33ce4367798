"""The scripts that decide whether containers are tested, with programs that fail in their hands."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from observed import free_port
from pretended import WELL, planted, run, write


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return planted(tmp_path)


@pytest.mark.parametrize("stage", ["machine", "container", "network"])
def test_where_all_goes_well_the_probe_says_nothing(tree: Path, stage: str):
    assert run(tree, "can_run.sh", stage) == (0, [])


REFUSED = "echo before; echo 'Operation not permitted' >&2; exit 1"
CASES = [
    ("machine", "id", "echo 1000", "not root"),
    ("machine", "uname", "echo aarch64", "aarch64, and the image's locks are for x86_64"),
    ("machine", "df", "echo Avail; echo 5999M", "5999 MB are free at"),
    ("machine", "df", "exit 1", "no MB are free at"),
    ("machine", "unshare", REFUSED, "no namespaces of its own: Operation not permitted"),
    ("machine", "unshare", f'[[ "$*" != *tmpfs* ]] || {{ {REFUSED}; }}', "no mounts in a namesp"),
    ("container", "busybox", None, "no image can be imported"),
    ("container", "podman", f'[ "$1" != import ] || {{ {REFUSED}; }}', "no image can be import"),
    ("container", "podman", f"DRIVER=vfs; {WELL['podman']}", "the store is vfs, not overlay"),
    (
        "container",
        "podman",
        f'{WELL["podman"]}; [[ "$*" != *--read-only* ]] || {{ {REFUSED}; }}',
        "no container runs: Operation not permitted",
    ),
    ("network", "podman", f'[ "$2" != create ] || {{ {REFUSED}; }}', "no network of its own: Op"),
    ("network", "podman", f'[[ "$*" != *--publish* ]] || {{ {REFUSED}; }}', "no published port: "),
    ("network", "podman", f'[[ "$*" != *nslookup* ]] || {{ {REFUSED}; }}', "containers do not kn"),
    ("network", "busybox", "exit 1", "the published port leads nowhere: no answer from 127.0.0.1"),
]


@pytest.mark.parametrize(("stage", "program", "text", "reason"), CASES)
def test_the_probe_says_in_one_line_what_cannot_be(
    tree: Path, stage: str, program: str, text: str | None, reason: str
):
    (tree / "bin" / program).unlink()
    if text is not None:
        write(tree / "bin" / program, text)
    code, lines = run(tree, "can_run.sh", stage)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(reason)


def test_a_port_of_compose_that_somebody_has_is_a_reason(tree: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = {"STREAMER_TEST_PORTS": f"{free_port()} {port}"}
        assert run(tree, "can_run.sh", "network", **given) == (
            1,
            [f"something listens on port {port}"],
        )


def exported(tree: Path, **variables: str) -> tuple[int, dict[str, str]]:
    """Exit code of containers.sh, and the variables that it leaves a shell."""
    code, lines = run(tree, "containers.sh", **variables)
    show = "; ".join([*lines, "env -0"])
    told = subprocess.run(["bash", "-c", show], env={"PATH": os.environ["PATH"]}, check=True,
                          capture_output=True, text=True).stdout  # fmt: skip
    pairs = [pair.partition("=") for pair in told.split("\0")]
    kept = ("STREAMER_", "CONTAINERS")
    return code, {name: value for name, _, value in pairs if name.startswith(kept)}


def test_a_machine_that_can_is_told_the_image(tree: Path):
    assert exported(tree) == (
        0,
        {
            "CONTAINERS_CONF": str(tree / "tests/deploy/containers.conf"),
            "STREAMER_TEST_IMAGE": "localhost/streamer:7.8.9-cpu",
        },
    )


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("bin/id", "echo 1000", "not root"),
        ("bin/podman", f"DRIVER=vfs; {WELL['podman']}", "the store is vfs"),
        ("bin/podman", "exit 125", "no image can be imported"),
        ("bin/apt-get", "exit 100", "apt-get does not install them"),
        ("tests/deploy/images.sh", "echo the net is gone; exit 75", "no images: the net is gone"),
    ],
)
def test_what_a_machine_cannot_do_is_a_reason_and_an_error_where_it_has_to(
    tree: Path, path: str, text: str, reason: str
):
    write(tree / path, text)
    (tree / "bin/mmdebstrap").unlink()  # so that something is left to install
    code, told = exported(tree)
    assert (code, list(told)) == (0, ["STREAMER_TEST_NO_CONTAINERS"])
    assert told["STREAMER_TEST_NO_CONTAINERS"].startswith(reason)
    assert exported(tree, CONTAINERS="1") == (1, {})


def test_containers_that_a_killed_run_left_are_removed(tree: Path):
    podman = f'{WELL["podman"]}; [ "$1" != ps ] || printf "a\\nb\\n"; echo "$*" >>"$LOG"'
    write(tree / "bin/podman", podman)
    assert exported(tree, LOG=str(tree / "log"))[0] == 0
    removed = [line for line in (tree / "log").read_text().splitlines() if line.startswith("rm ")]
    assert [line.split()[-1] for line in removed][:2] == ["a", "b"]
    assert "--filter name=^streamer-test" in (tree / "log").read_text()


@pytest.mark.parametrize("mode", ["auto", "1"])
def test_a_build_that_fails_for_another_cause_is_an_error(tree: Path, mode: str):
    write(tree / "tests/deploy/images.sh", "echo no such file; exit 3")
    assert exported(tree, CONTAINERS=mode) == (3, {})


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("bin/podman", f'{WELL["podman"]}; [ "$2" != create ] || {{ {REFUSED}; }}',
         "no network of its own: Operation not permitted"),
        (".venv/bin/pip", "exit 1", "pip does not install podman-compose"),
    ],
)  # fmt: skip
def test_without_a_bridge_compose_alone_is_left_out(tree: Path, path: str, text: str, reason: str):
    write(tree / path, text)
    code, told = exported(tree)
    assert code == 0
    assert told["STREAMER_TEST_NO_COMPOSE"] == reason
    assert told["STREAMER_TEST_IMAGE"] == "localhost/streamer:7.8.9-cpu"
    assert exported(tree, CONTAINERS="1") == (1, {})


def test_they_can_be_left_out_and_a_word_that_means_nothing_is_refused(tree: Path):
    assert exported(tree, CONTAINERS="0") == (0, {"STREAMER_TEST_NO_CONTAINERS": "CONTAINERS=0"})
    assert exported(tree, CONTAINERS="yes") == (2, {})


LOST = "echo 'E: Temporary failure resolving deb.debian.org'; exit 1"


@pytest.mark.parametrize(
    ("program", "text", "code", "last"),
    [
        ("buildah", WELL["buildah"], 0, ""),
        ("apt-helper", "echo no route; exit 1", 75, "no packages of Debian: no route"),
        ("mmdebstrap", "echo no mknod; exit 25", 75, "no base of Debian's packages: no mknod"),
        ("buildah", '[ "$1" != run ] || { echo bad certificate; exit 1; }', 75,
         "containers reach no packages: bad certificate"),
        ("buildah", '[ "$1" != run ] || echo "torch (1.0.0)"', 75,
         "the index of torch does not offer 9.9.9+cpu"),
        ("buildah", f'{WELL["buildah"]}; [ "$1" != bud ] || {{ {LOST}; }}', 75,
         "fetching failed: E: Temporary failure resolving deb.debian.org"),
        ("buildah", f'{WELL["buildah"]}; [ "$1" != bud ] || {{ echo hashes differ; exit 1; }}', 1,
         "hashes differ"),
    ],
)  # fmt: skip
def test_the_network_s_faults_are_told_from_ours(
    tree: Path, program: str, text: str, code: int, last: str
):
    write(tree / "bin/podman", '[ "$1 $2" != "image exists" ]')  # there is no base yet
    write(tree / "bin/mmdebstrap", 'for last; do :; done; echo >"$last"')
    write(tree / "bin" / program, text)
    found, lines = run(tree, "images.sh")
    assert (found, lines[-1:]) == (code, [last] if last else lines[-1:])


def test_a_build_forgets_what_its_tag_named_before(tree: Path):
    """As the store would be full after some dozen changes of the code."""
    podman = """case "$1 $2" in
        "image inspect") tail -n 1 "$IDS" ;;
        rmi*) echo "$2" >>"$IDS.removed" ;;
    esac"""
    write(tree / "bin/podman", podman)
    write(
        tree / "bin/buildah",
        f'{WELL["buildah"]}; [ "$1" != bud ] || echo $(($(tail -n 1 "$IDS") + 1)) >>"$IDS"',
    )
    ids = tree / "ids"
    ids.write_text("100\n")
    assert run(tree, "images.sh", IDS=str(ids))[0] == 0
    *before, last = ids.read_text().split()
    assert (tree / "ids.removed").read_text().split() == before
    assert len(before) == 4
    assert last not in before
