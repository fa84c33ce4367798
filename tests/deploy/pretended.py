"""A machine of fake programs, and the scripts that decide whether containers are tested."""

import shutil
import subprocess
from pathlib import Path

from observed import free_port

HERE = Path(__file__).parent
REAL = [
    "bash",
    "cat",
    "dirname",
    "grep",
    "mktemp",
    "realpath",
    "rm",
    "sed",
    "tail",
    "tar",
    "tee",
    "timeout",
    "tr",
]
WELL = {
    "id": "echo 0",
    "uname": "echo x86_64",
    "df": "echo Avail; echo 9000M",
    "unshare": "",
    "sleep": "",
    "busybox": "",
    "podman": '[ "$1" = info ] && echo ${DRIVER:-overlay}; [ "$1" != import ] || cat >/dev/null',
    "dpkg-query": "",
    "apt-get": "",
    "apt-helper": "",
    "mmdebstrap": "",
    "runc": "",
    "buildah": '[ "$1" != run ] || echo "aiortc torch (9.9.9+cpu)"',
}
"""Programs of a machine on which all goes well."""


def planted(tmp_path: Path) -> Path:
    """A copy of what the scripts look at, and a PATH of their own beside it."""
    for name in ("can_run.sh", "containers.sh", "images.sh", "containers.conf"):
        (tmp_path / "tests/deploy").mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / name, tmp_path / "tests/deploy" / name)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/requirements-cpu.txt").write_text("torch==9.9.9+cpu \\\n")
    (tmp_path / "pyproject.toml").write_text('version = "7.8.9"\n')
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for name in REAL:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    for name, text in WELL.items():
        write(tmp_path / "bin" / name, text)
    write(tmp_path / ".venv/bin/pip", "")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.write_text(f"#!{shutil.which('bash')}\n{text or ':'}\n")
    path.chmod(0o755)


def run(tree: Path, script: str, *arguments: str, **variables: str) -> tuple[int, list[str]]:
    """Exit code, and the lines of stdout."""
    done = subprocess.run(
        [tree / "tests/deploy" / script, *arguments],
        env={"PATH": str(tree / "bin"), "STREAMER_TEST_PORTS": str(free_port())} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()
