import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aioice import stun, turn
from observed import DEPLOY
from outside import get_a_mask, machine_s_address, relay_only
from served import serving

from fake_engine import FakeEngine
from streamer.media.turn import mint

SERVICE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["coturn"]
NEAR = {"169.254.169.254", "192.168.77.1", "10.255.0.1", "127.0.0.1", "172.20.0.1"}
SECRET = "what compose and the service share"


def command(address: str, port: int, folder: Path) -> list[str]:
    """As compose runs it, at a port that is free here."""
    (script,) = SERVICE["command"]
    options = f"--listening-ip={address} --relay-ip={address} --listening-port={port}"
    moved = script.replace("$$", "$").replace("/tmp/", f"{folder}/")
    started = moved.replace("exec turnserver", f"exec turnserver {options} --userdb={folder}/db")
    assert started != moved
    return [*SERVICE["entrypoint"], started]


@asynccontextmanager
async def coturn(folder: Path) -> AsyncIterator[tuple[str, int]]:
    if shutil.which("turnserver") is None:
        pytest.skip("turnserver is missing: apt-get install coturn")
    address = machine_s_address()
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind((address, 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *command(address, port, folder),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"STREAMER_TURN_SECRET": SECRET, "ADDRESS": address},
    )
    try:
        await asyncio.sleep(0.5)  # a packet before it listens is lost, and sent again
        yield address, port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def relay(server: tuple[str, int]) -> AsyncIterator[turn.TurnTransport]:
    """A relay for a user that the service would mint; waits until the server listens."""
    name, password = mint(SECRET, int(time.time()) + 600, secrets.token_hex(6))
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol, server_addr=server, username=name, password=password
    )
    try:
        yield transport
    finally:
        transport.close()
        await transport._TurnTransport__close_task
        await asyncio.sleep(0)  # its socket closes at the loop's next turn


async def error_for(peer: str, server: tuple[str, int]) -> int | None:
    """Why the relay lets no packets go to this address; None: it does."""
    async with relay(server) as transport:
        inner = transport._TurnTransport__inner_protocol
        try:
            await inner.channel_bind(0x4000, (peer, 20_000))
        except stun.TransactionFailed as error:
            return error.response.attributes["ERROR-CODE"][0]
    return None


def test_without_a_secret_it_does_not_start(tmp_path: Path):
    variables = {k: v for k, v in os.environ.items() if k != "STREAMER_TURN_SECRET"}
    done = subprocess.run(
        command("127.0.0.1", 1, tmp_path),
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "STREAMER_TURN_SECRET: is not set" in done.stderr


async def test_it_relays_to_the_service_and_to_nothing_near(tmp_path: Path):
    async with coturn(tmp_path) as server:
        assert await error_for(server[0], server) is None
        for near in NEAR - {server[0]}:
            assert await error_for(near, server) == 403, near


async def test_a_client_that_has_nothing_but_a_relay_gets_masks(tmp_path: Path):
    async with coturn(tmp_path) as (address, port):
        settings = {
            "media_addresses": (address,),
            "ice_servers": ({"urls": f"turn:{address}:{port}"},),
            "turn_secret": SECRET,
            "uses_ice_servers": False,
        }
        async with serving(FakeEngine, **settings) as served:
            with relay_only():
                assert await get_a_mask(served.url) == {"relay"}
