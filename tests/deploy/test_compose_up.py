import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from observed import DEPLOY, tool, version
from outside import get_a_mask

URL = "http://127.0.0.1:8080"


def compose(*arguments: str) -> None:
    program = tool("podman-compose", "podman-compose, or pip install podman-compose")
    command = [program, "-p", "streamer-test", "-f", str(DEPLOY / "compose.yaml")]
    command += ["--profile", "cpu", *arguments]
    variables = {k: v for k, v in os.environ.items() if not k.startswith("STREAMER_")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def composed() -> Iterator[str]:
    image = f"localhost/streamer:{version()}-cpu"
    if os.environ.get("STREAMER_TEST_IMAGE") != image:
        pytest.skip(f"STREAMER_TEST_IMAGE is not {image}, which compose runs")
    with socket.socket() as asking:
        if asking.connect_ex(("127.0.0.1", 8080)) == 0:
            pytest.skip("something else listens on port 8080")
    compose("up", "--detach", "--no-build")
    try:
        yield URL
    finally:
        compose("down", "--volumes")


async def ready(url: str) -> None:
    async with httpx.AsyncClient() as client:
        while True:
            try:
                if (await client.get(f"{url}/readyz")).is_success:
                    return
            except httpx.TransportError:  # it does not listen yet
                pass
            await asyncio.sleep(0.3)


async def test_a_client_gets_masks_through_the_published_ports(composed: str):
    await ready(composed)
    await get_a_mask(composed)
