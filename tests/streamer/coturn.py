"""A real TURN server on loopback, for who has no other way."""

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection

from streamer.media import turn


@asynccontextmanager
async def coturn(secret: str, folder: Path) -> AsyncIterator[int]:
    """Its port, once it takes users of the secret."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("turnserver is missing: apt-get install coturn")
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}",
        "--use-auth-secret", f"--static-auth-secret={secret}", "--realm=test", "--no-tls",
        "--no-dtls", "--no-cli", "--allow-loopback-peers", "--log-file=stdout", "--simple-log",
        f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        program, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        good = turn.mint(secret, int(time.time()) + 60, "me")
        async with asyncio.timeout(20):
            while "relay" not in await relayed(port, *good):  # noqa: ASYNC110 (it begins to listen)
                await asyncio.sleep(0.1)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def relayed(port: int, username: str, credential: str) -> list[str]:
    """Kinds of the candidates that aiortc gathers with this user."""
    server = RTCIceServer(f"turn:127.0.0.1:{port}?transport=udp", username, credential)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[server]))
    connection.createDataChannel("any")
    await connection.setLocalDescription(await connection.createOffer())
    lines = connection.localDescription.sdp.splitlines()
    await connection.close()
    return [line.split()[7] for line in lines if line.startswith("a=candidate:")]
