"""The service as a program of its own, and a real Prometheus that scrapes it."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Otherwise each request reads all certificates of the machine."""
Series = dict[str, dict[str, set[str]]]
"""The values of each label of each series."""


@dataclass(frozen=True)
class Scraped:
    service: str
    prometheus: str
    series: Series


def series_of(exposition: str) -> Series:
    found: Series = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            values = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                values.setdefault(label, set()).add(value)
    return found


def tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing: apt-get install {package}")
    return found


def run_promtool(*arguments: str) -> None:
    command = [tool("promtool", "prometheus"), *arguments]
    done = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def built_image() -> str:
    """Of .ci/run or the developer; skips where there is none, with the reason."""
    name = os.environ.get("STREAMER_TEST_IMAGE")
    if name is None:
        pytest.skip(
            os.environ.get("STREAMER_TEST_NO_CONTAINERS")
            or "STREAMER_TEST_IMAGE names no image: tests/deploy/images.sh builds one"
        )
    return name


def version() -> str:
    """Of the project."""
    found = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    return found[1]


@contextmanager
def service() -> Iterator[str]:
    """Its address, once it is ready."""
    command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        url = next(line.split()[1] for line in lines if line.startswith("Open http://"))
        next(line for line in lines if line.startswith("Ready: "))
        yield url
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[str]:
    """Its address, once it has scraped the target twice; with deploy/'s rules and settings."""
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DEPLOY / name) for name in config["rule_files"]]
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        tool("prometheus", "prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await_samples(url)
            yield url
        finally:
            process.kill()
            process.wait()


def _await_samples(url: str) -> None:
    while not _is_ready(url) or not any(value(url, "count_over_time(streamer_ready[1m]) > 2")):
        time.sleep(0.2)


def _is_ready(url: str) -> bool:
    """Whether it answers questions: while it starts it says 503, or does not listen."""
    try:
        return httpx.get(f"{url}/-/ready", verify=_NO_TLS).is_success
    except httpx.TransportError:
        return False


def value(url: str, expression: str, at_s: float | None = None) -> list[object]:
    """What a Prometheus makes of an expression, now or then; fails on one that it cannot read."""
    when = {} if at_s is None else {"time": str(at_s)}
    asked = {"query": expression, **when}
    answer = httpx.get(f"{url}/api/v1/query", params=asked, verify=_NO_TLS).json()
    assert answer["status"] == "success", (expression, answer)
    return answer["data"]["result"]
