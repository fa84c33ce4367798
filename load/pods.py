"""Pods: services in processes of their own, as peers, of which each may end and begin anew."""

import asyncio
import json
import os
import secrets
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Final

import httpx

from load.vitals import num_sessions

READY_S: Final = 120.0
_POLL_S: Final = 0.05
_DRAIN_S: Final = 600


class Pods:
    """Each with room for one session. Made by running_pods()."""

    def __init__(self, ports: Sequence[int], command: Sequence[str]) -> None:
        self.ports = ports
        self._command = command
        self._processes: dict[int, Process] = {}
        """By port."""
        self._environment = {
            **os.environ,
            "STREAMER_PEERS": json.dumps([_url(port) for port in ports]),
            "STREAMER_PEER_SECRET": secrets.token_urlsafe(32),
            "STREAMER_MAX_SESSIONS": "1",
            "STREAMER_DRAIN_TIMEOUT_S": str(_DRAIN_S),
            "STREAMER_MEDIA_ADDRESSES": '["127.0.0.1"]',
        }

    async def complete(self) -> None:
        """Begins those that have ended, or never were. Raises RuntimeError when one is not ready
        in time.
        """
        gone = [port for port in self.ports if port not in self._processes]
        gone += [port for port, one in self._processes.items() if one.returncode is not None]
        await asyncio.gather(*(self._start(port) for port in gone))

    async def _start(self, port: int) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command, "--host", "127.0.0.1", "--port", str(port),
            env=self._environment, stdout=DEVNULL, stderr=DEVNULL,
        )  # fmt: skip
        self._processes[port] = process
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(round(READY_S / _POLL_S)):
                if process.returncode is not None:
                    raise RuntimeError(f"a service ended at once, with {process.returncode}")
                if await _is_ready(http, port):
                    return
                await asyncio.sleep(_POLL_S)
        raise RuntimeError(f"a service was not ready in {READY_S:g} s")

    async def busy(self) -> int:
        """The port of the one that has a session. Raises RuntimeError where it is not just one."""
        counts = [await asyncio.to_thread(num_sessions, _url(port)) for port in self.ports]
        if sorted(counts) != [*[0] * (len(counts) - 1), 1]:
            raise RuntimeError(f"one session was expected, there are {counts}")
        return self.ports[counts.index(1)]

    def signal(self, port: int, number: int) -> None:
        """To the process of this port."""
        self._processes[port].send_signal(number)

    async def ended(self, port: int) -> int:
        """Waits for the end of the one of this port; returns how it ended."""
        return await self._processes[port].wait()

    async def kill(self) -> None:
        """All that are left."""
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _is_ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"{_url(port)}/readyz")).is_success
    except httpx.TransportError:  # it does not listen yet
        return False


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@asynccontextmanager
async def running_pods(number: int, command: Sequence[str]) -> AsyncIterator[Pods]:
    """So many, ready; the command takes --host and --port. Raises RuntimeError."""
    pods = Pods(_free_ports(number), command)
    try:
        await pods.complete()
        yield pods
    finally:
        await pods.kill()


def _free_ports(number: int) -> list[int]:
    """Of loopback, that nobody has now."""
    with ExitStack() as until_known:
        sockets = [until_known.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
