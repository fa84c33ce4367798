"""A real RTSP camera for tests: GStreamer's server, in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PYTHON = Path("/usr/bin/python3")
SCRIPT = Path(__file__).with_name("gst_camera.py")


@dataclass(frozen=True)
class Camera:
    process: asyncio.subprocess.Process
    port: int

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"

    async def leave(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def require_camera() -> None:
    needed = "import gi; gi.require_version('GstRtspServer', '1.0')"
    found = subprocess.run([PYTHON, "-c", needed], check=False, capture_output=True)
    if found.returncode != 0:
        pytest.skip("no RTSP server: apt-get install gir1.2-gst-rtsp-server-1.0 (see .ci/run)")


@asynccontextmanager
async def camera(film: Path, port: int = 0, login: tuple[str, ...] = ()) -> AsyncIterator[Camera]:
    process = await asyncio.create_subprocess_exec(
        PYTHON, SCRIPT, str(port), film, *login, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr
    )
    assert process.stdout is not None
    there = Camera(process, int(await process.stdout.readline()))
    try:
        yield there
    finally:
        await there.leave()
