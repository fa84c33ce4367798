"""A front door as kube-proxy is one: a TCP connection goes to the first pod that takes it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

_CHUNK = 1 << 16
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except ConnectionError:  # the other side sees the end
        pass
    finally:
        writer.close()


async def _reach(ports: Sequence[int]) -> Streams | None:
    for port in ports:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            continue
    return None


@asynccontextmanager
async def front_of(ports: Sequence[int]) -> AsyncIterator[str]:
    """Its URL."""
    serving: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        writers.append(writer)
        pod = await _reach(ports)
        if pod is None:
            writer.close()
            return
        writers.append(pod[1])
        await asyncio.gather(_pipe(reader, pod[1]), _pipe(pod[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*serving)
