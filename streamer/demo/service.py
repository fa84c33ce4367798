"""The service as a process of its own, for the length of a demo: always stopped."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

READY_S: Final = 120.0
"""For a large model from a slow disk; nano takes a few seconds."""
STOP_S: Final = 15.0
"""From the polite signal to the hard one."""
POLL_S: Final = 0.1


class ServiceError(Exception):
    """The service did not come up; the message says where to read on."""


@asynccontextmanager
async def running_service(arguments: Sequence[str], log: Path) -> AsyncIterator[str]:
    """Runs `streamer serve` on a free loopback port; yields its URL once it is ready.

    Its output goes to `log`. Raises ServiceError when it ends or is not ready in time.
    """
    port = _free_port()
    command = [sys.executable, "-m", "streamer", "serve", "--host", "127.0.0.1"]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--port",
            str(port),
            *arguments,
            stdout=output,
            stderr=output,
            env={**os.environ, "COLUMNS": "1000"},  # a message stays on one line of the log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _ready(process, url, log)
            yield url
        finally:
            await _stop(process)


def _free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _ready(process: Process, url: str, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + READY_S
    # Not through a proxy that the environment may name: it cannot reach this machine's loopback.
    async with httpx.AsyncClient(trust_env=False) as http:
        while process.returncode is None:
            try:
                if (await http.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:  # not listening yet
                pass
            if asyncio.get_running_loop().time() > deadline:
                raise ServiceError(f"the service was not ready in {READY_S:.0f} s; read {log}")
            await asyncio.sleep(POLL_S)
    raise ServiceError(f"the service did not start: {_last_line(log)} (all of it: {log})")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
