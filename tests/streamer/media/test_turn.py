import asyncio
import base64
import hashlib
import hmac
import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection

from streamer.config import Settings
from streamer.media import turn

SERVERS = [{"urls": "stun:127.0.0.1:1"}, {"urls": "turn:127.0.0.1:1?transport=udp"}]


def test_a_user_is_the_time_and_a_name_and_its_password_their_mac():
    username, credential = turn.mint("a secret", 1_433_065_916, "me")
    assert username == "1433065916:me"
    expected = hmac.digest(b"a secret", b"1433065916:me", hashlib.sha1)
    assert base64.b64decode(credential) == expected


def test_each_session_has_a_user_of_its_own_with_the_turn_servers_that_name_none():
    named = {"urls": "turns:127.0.0.1:2", "username": "u", "credential": "p"}
    settings = Settings(ice_servers=[*SERVERS, named], turn_secret="s", turn_ttl_s=600)
    (stun, first, kept), (_, second, _) = turn.ice_servers(settings), turn.ice_servers(settings)
    assert (stun.username, kept.username, kept.password) == (None, "u", "p")
    assert first.username != second.username
    assert int(first.username.partition(":")[0]) - time.time() == pytest.approx(600, abs=30)
    expected = hmac.digest(b"s", first.username.encode(), hashlib.sha1)
    assert base64.b64decode(first.password) == expected


def test_without_a_secret_the_servers_are_told_as_they_were_set():
    assert (
        turn.ice_servers(Settings(ice_servers=SERVERS)) == Settings(ice_servers=SERVERS).ice_servers
    )


@asynccontextmanager
async def coturn(secret: str, folder: Path) -> AsyncIterator[int]:
    """A real TURN server on loopback; its port."""
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


async def test_a_real_turn_server_takes_the_user_and_no_other(tmp_path: Path):
    async with coturn("a secret", tmp_path) as port:
        good = turn.mint("a secret", int(time.time()) + 60, "me")
        async with asyncio.timeout(20):
            while "relay" not in await relayed(port, *good):  # noqa: ASYNC110 (it begins to listen)
                await asyncio.sleep(0.1)
        late = turn.mint("a secret", int(time.time()) - 60, "me")
        forged = turn.mint("another", int(time.time()) + 60, "me")
        assert "relay" not in await relayed(port, *late)
        assert "relay" not in await relayed(port, *forged)
