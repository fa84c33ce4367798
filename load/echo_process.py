"""The echo server in a process of its own, for as long as somebody compares with it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from subprocess import PIPE


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """Its URL. Raises RuntimeError when it does not start."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "load.echo", stdout=PIPE)
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise RuntimeError("the echo server did not start")
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
