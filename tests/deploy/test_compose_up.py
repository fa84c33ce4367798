import asyncio
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import yaml
from observed import DEPLOY, ROOT, built_image, value, version
from outside import get_a_mask, machine_s_address, named_server, relay_only
from prometheus_client.parser import text_string_to_metric_families

URL, PROMETHEUS = "http://127.0.0.1:8080", "http://127.0.0.1:9090"
PORTS = (8080, 9090, 3478)
TOOLS = ("localhost/streamer-test-coturn", "localhost/streamer-test-prometheus")
FILES = [DEPLOY / "compose.yaml", ROOT / "tests/deploy/tools.compose.yaml"]


@dataclass(frozen=True)
class Composed:
    """The profiles cpu, turn and obs, but for Grafana."""

    address: str
    """Of this machine, which media goes to."""

    def run(self, *arguments: str) -> str:
        files = [part for file in FILES for part in ("-f", str(file))]
        profiles = [part for name in ("cpu", "turn", "obs") for part in ("--profile", name)]
        command = ["podman-compose", "-p", "streamer-test", *files, *profiles, *arguments]
        given = {
            "ADDRESS": self.address,
            "STREAMER_TURN_SECRET": "what both of them know",
            "STREAMER_ICE_SERVERS": json.dumps([{"urls": f"turn:{self.address}:3478"}]),
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith("STREAMER_")}
        done = subprocess.run(
            command, env=kept | given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


def missing_images() -> list[str]:
    asked = {name: ["podman", "image", "exists", name] for name in TOOLS}
    return [name for name, ask in asked.items() if subprocess.run(ask, check=False).returncode]


def is_taken(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    """Nothing but a missing image is a reason to skip: whoever names one wants to see it run."""
    assert built_image() == f"localhost/streamer:{version()}-cpu", "compose runs that one"
    if reason := os.environ.get("STREAMER_TEST_NO_COMPOSE"):
        pytest.skip(reason)
    assert missing_images() == [], "run tests/deploy/images.sh"
    assert [port for port in PORTS if is_taken(port)] == [], "something else listens there"
    made = Composed(machine_s_address())
    made.run("up", "--detach", "--no-build", "streamer", "coturn", "prometheus")
    try:
        yield made
    finally:
        made.run("down", "--volumes")


@pytest.fixture
def ready(composed: Composed) -> Composed:
    while True:
        try:
            if httpx.get(f"{URL}/readyz").is_success:
                return composed
        except httpx.TransportError:  # it does not listen yet
            pass
        time.sleep(0.3)


async def test_a_client_gets_masks_through_the_published_ports(ready: Composed):
    assert "host" in await get_a_mask(URL)


async def test_a_client_with_nothing_but_a_relay_gets_masks_through_coturn(ready: Composed):
    named = await asyncio.to_thread(named_server, URL)
    assert named["urls"] == f"turn:{ready.address}:3478"
    with relay_only():
        assert await get_a_mask(URL) == {"relay"}


def test_prometheus_scrapes_every_series_and_has_the_alerts(ready: Composed):
    text = httpx.get(f"{URL}/metrics").text
    told = {s.name for family in text_string_to_metric_families(text) for s in family.samples}
    assert len(told) > 50
    while not told <= scraped_names():
        time.sleep(1)
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    groups = httpx.get(f"{PROMETHEUS}/api/v1/rules").json()["data"]["groups"]
    assert {group["name"] for group in groups} == {group["name"] for group in alerts}
    assert [found["value"][1] for found in value(PROMETHEUS, "up")] == ["1"]


def scraped_names() -> set[str]:
    return set(httpx.get(f"{PROMETHEUS}/api/v1/label/__name__/values").json()["data"])
