"""`streamer serve` as a program: its words, its probes, its end."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

SERVE = "from streamer.cli import app; app()"
WITHOUT_WEIGHTS = "from sam2_rt.model import zoo; zoo.BUNDLED = zoo.BUNDLED / 'none'; "


@contextmanager
def served(
    *options: str, before: str = "", environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", before + SERVE, "serve", "--port", "0", *options]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def line_with(process: "subprocess.Popen[str]", words: str) -> str:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if words in line:
            return line
    raise AssertionError("".join(lines))


def test_a_model_without_weights_is_said_to_be_untrained():
    with served(before=WITHOUT_WEIGHTS) as process:
        line_with(process, "Ready: nano")
        assert "untrained" in line_with(process, "random weights")


def test_serve_tells_its_address_is_ready_with_the_bundled_nano_and_ends_with_0():
    with served() as process:
        url = line_with(process, "Open http://").split()[1]
        assert httpx.get(f"{url}/livez").status_code == 200
        line_with(process, "Ready: nano")
        assert httpx.get(f"{url}/readyz").status_code == 200
        config = httpx.get(f"{url}/config").json()
        assert (config["model"], config["is_trained"]) == ("nano", True)
        process.send_signal(signal.SIGUSR1)
        while httpx.get(f"{url}/readyz").status_code == 200:
            time.sleep(0.05)
        assert httpx.get(f"{url}/livez").status_code == 200
        assert process.poll() is None, "it lets nobody in, and goes on"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert "untrained" not in process.stdout.read()


def children_of(pid: int) -> list[int]:
    """Of any of its threads."""
    told = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for child in " ".join(told).split()]


def test_the_engine_may_have_a_process_of_its_own_which_ends_with_the_service():
    with served(environment={"STREAMER_MEDIA_WORKERS": "1"}) as process:
        url = line_with(process, "Open http://").split()[1]
        line_with(process, "Ready: nano")
        assert httpx.get(f"{url}/config").json()["is_trained"]
        descriptors = [os.pidfd_open(pid) for pid in children_of(process.pid)]
        assert descriptors
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        for descriptor in descriptors:
            assert select.select([descriptor], [], [], 20)[0], "it is still there"
            os.close(descriptor)


def test_an_unknown_model_ends_it_with_1_and_a_reason():
    with served("--model", "nonesuch") as process:
        assert "nonesuch" in line_with(process, "could not be loaded")
        assert process.wait(timeout=20) == 1


def test_a_wrong_option_ends_it_with_2():
    with served("--threads", "0") as process:
        line_with(process, "threads")
        assert process.wait(timeout=20) == 2


@pytest.mark.parametrize("addresses", ['["eth0"]', "127.0.0.1"])
def test_a_wrong_address_for_media_ends_it_with_2(addresses: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMER_MEDIA_ADDRESSES", addresses)
    with served() as process:
        line_with(process, "media_addresses")
        assert process.wait(timeout=20) == 2


def test_a_taken_port_ends_it_with_uvicorn_s_3():
    with served() as first:
        url = line_with(first, "Open http://").split()[1]
        port = url.rsplit(":", 1)[1]
        with served("--port", port) as second:
            line_with(second, "in use")
            assert second.wait(timeout=20) == 3
