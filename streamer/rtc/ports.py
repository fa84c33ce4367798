"""UDP ports of media, from a range that a firewall lets through: aioice takes any free one."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import aioice.ice

_ANY: Final = 0
_Endpoint = tuple[asyncio.DatagramTransport, asyncio.DatagramProtocol]


class NoPorts(Exception):
    """All ports of the range are in use."""


class PortRange:
    """Ports `low` to `high`, both included; one is used for each local address of a session."""

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._size = high - low + 1
        self._next = 0
        """Where the search begins, counted from `low`: one that was just left is not taken soon."""

    def __str__(self) -> str:
        return f"{self._low} to {self._low + self._size - 1}"

    def bind(self, address: str) -> socket.socket:
        """A socket at a free port. Raises OSError when there is none or the address is not ours."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for _ in range(self._size):
            port = self._low + self._next
            self._next = (self._next + 1) % self._size
            # Not by the event loop: uvloop's error does not say what was wrong.
            found = socket.socket(family, socket.SOCK_DGRAM)
            try:
                found.setblocking(False)
                found.bind((address, port))
            except OSError as error:
                found.close()
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return found
        raise OSError(errno.EADDRINUSE, f"UDP ports {self} of {address} are all in use")


class _Gathering:
    """One connection's search for candidates."""

    def __init__(self, ports: PortRange) -> None:
        self.ports = ports
        self.is_short = False


_gathering: ContextVar[_Gathering | None] = ContextVar("gathering", default=None)


@contextmanager
def taking_ports(ports: PortRange | None) -> Iterator[None]:
    """Around a connection's gathering: its ports are of this range; None: any.

    Raises NoPorts at the end when one was wanting: aioice would go on without the address, and
    without a word.
    """
    if ports is None:
        yield
        return
    gathering = _Gathering(ports)
    token = _gathering.set(gathering)  # the tasks that aiortc makes within have it too
    try:
        yield
    finally:
        _gathering.reset(token)
    if gathering.is_short:
        raise NoPorts(f"the UDP ports {ports} are all in use")


class _Loop:
    """The event loop as aioice sees it while it gathers for one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, gathering: _Gathering) -> None:
        self._loop = loop
        self._gathering = gathering

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_datagram_endpoint(
        self, factory: Callable[[], Any], local_addr: tuple[str, int], **options: Any
    ) -> _Endpoint:
        """As the loop's, but "any port" is one of the range."""
        create = self._loop.create_datagram_endpoint
        if local_addr[1] != _ANY:
            return await create(factory, local_addr=local_addr, **options)
        try:
            found = self._gathering.ports.bind(local_addr[0])
        except OSError as error:
            self._gathering.is_short |= error.errno == errno.EADDRINUSE
            raise  # aioice logs it and leaves the address out
        return await create(factory, sock=found, **options)


class _Asyncio:
    """The module asyncio as aioice.ice sees it: the one place where it asks for its loop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    def get_running_loop(self) -> Any:
        """The loop, or within taking_ports() one that keeps to the range."""
        loop, gathering = asyncio.get_running_loop(), _gathering.get()
        return loop if gathering is None else _Loop(loop, gathering)


aioice.ice.asyncio = _Asyncio()  # type: ignore[attr-defined, assignment] # a module, there
