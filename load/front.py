"""A front door as kube-proxy is one: a TCP connection goes to the first pod that takes it."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

_CHUNK: Final = 1 << 16
_OFFER: Final = b"POST /offer"
_KEPT_OFFERS: Final = 64

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Front:
    """Stands before the pods of some ports of loopback. Made by front_of()."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.url = ""
        self.offers_at_s: deque[float] = deque(maxlen=_KEPT_OFFERS)
        """time.monotonic() of each offer of a viewer that came by, the last ones."""
        self._ports = ports
        self._serving: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._writers.add(writer)
        try:
            await self._carry(reader, writer)
        finally:
            self._serving.discard(task)
            self._writers.discard(writer)

    async def close(self) -> None:
        """Ends all connections."""
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._serving)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pod = await _reach(self._ports)
        if pod is None:
            writer.close()
            return
        self._writers.add(pod[1])
        try:
            await asyncio.gather(self._pipe(reader, pod[1]), self._pipe(pod[0], writer))
        finally:
            self._writers.discard(pod[1])

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                if data.startswith(_OFFER):
                    self.offers_at_s.append(time.monotonic())
                writer.write(data)
                await writer.drain()
        except ConnectionError:  # the other side sees the end
            pass
        finally:
            writer.close()


async def _reach(ports: Sequence[int]) -> _Streams | None:
    for port in ports:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            continue
    return None


@asynccontextmanager
async def front_of(ports: Sequence[int]) -> AsyncIterator[Front]:
    """Open while the body runs."""
    front = Front(ports)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    front.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield front
    finally:
        server.close()
        await front.close()
