"""Relay: the one way from FFmpeg to an RTSP camera: to the address that was checked, no further.

FFmpeg resolves hosts by itself, follows redirects and checks no certificate. So it is given a
connection on loopback in place of the camera; what goes over it is looked at here.
"""

import asyncio
import contextlib
import logging
import re
import ssl
from typing import Final

from streamer.sources.place import Camera

log = logging.getLogger(__name__)

_MAX_HEAD_BYTES: Final = 65_536
_MAX_BODY_BYTES: Final = 262_144
"""Of an answer: an SDP."""
_INTERLEAVED: Final = b"$"
"""Begins a packet of media on the control connection (RFC 2326, section 10.12)."""
_STATUS: Final = re.compile(rb"RTSP/\d\.\d (\d{3})")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,7})[ \t]*\r\n", re.IGNORECASE)


class Relay:
    """Between open() and close(), for one connection of FFmpeg's."""

    def __init__(self, camera: Camera) -> None:
        self.fault: str | None = None
        """Why the relay ended the connection, in words; None: it did not."""
        self._camera = camera
        self._server: asyncio.Server | None = None
        self._upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._task: asyncio.Task[None] | None = None
        """Of the connection; there is one."""

    async def open(self) -> str:
        """Connects to the camera; the URL for FFmpeg. Raises OSError, of TLS too."""
        camera = self._camera
        # SSL_CERT_FILE names the authority of cameras that have one of their own.
        context = ssl.create_default_context() if camera.is_tls else None
        self._upstream = await asyncio.open_connection(
            camera.address,
            camera.port,
            ssl=context,
            server_hostname=camera.host if camera.is_tls else None,
            limit=_MAX_HEAD_BYTES,
        )
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0, backlog=1)
        port = self._server.sockets[0].getsockname()[1]
        return f"rtsp://{camera.login}127.0.0.1:{port}{camera.target}"

    async def close(self) -> None:
        """Ends both connections: FFmpeg stops waiting."""
        if self._server is not None:
            self._server.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._upstream is not None:
            await _end(self._upstream[1])

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._task is not None:  # somebody else on this machine
            writer.close()
            return
        self._task = asyncio.current_task()
        assert self._server is not None
        assert self._upstream is not None
        self._server.close()
        camera_reader, camera_writer = self._upstream
        parts = (_copy(reader, camera_writer), self._bring(camera_reader, writer))
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _end(writer)
            await _end(camera_writer)

    async def _bring(self, camera: asyncio.StreamReader, ffmpeg: asyncio.StreamWriter) -> None:
        """What the camera says, message by message, until it breaks off or says what may not be."""
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):  # one of the two has gone
            try:
                while self.fault is None:
                    first = await camera.readexactly(1)
                    rest = self._packet if first == _INTERLEAVED else self._message
                    message = await rest(camera, first)
                    if self.fault is None:
                        ffmpeg.write(message)
                        await ffmpeg.drain()
            except asyncio.LimitOverrunError:
                self.fault = f"the camera's answer is longer than {_MAX_HEAD_BYTES} bytes"

    async def _packet(self, camera: asyncio.StreamReader, first: bytes) -> bytes:
        head = await camera.readexactly(3)
        return first + head + await camera.readexactly(int.from_bytes(head[1:], "big"))

    async def _message(self, camera: asyncio.StreamReader, first: bytes) -> bytes:
        if first in {b"\r", b"\n"}:  # between messages
            return first
        head = first + await camera.readuntil(b"\r\n\r\n")
        status = _STATUS.match(head)
        if status is not None and status[1].startswith(b"3"):
            self.fault = "the camera sends its viewers elsewhere, which is not followed"
        length = _LENGTH.search(head)
        num_bytes = 0 if length is None else int(length[1])
        if num_bytes > _MAX_BODY_BYTES:
            self.fault = f"the camera's answer is longer than {_MAX_BODY_BYTES} bytes"
            return head
        return head + await camera.readexactly(num_bytes)


async def _end(writer: asyncio.StreamWriter) -> None:
    """At once: the other end is not asked to agree, as TLS would."""
    writer.transport.abort()
    with contextlib.suppress(OSError):  # how it broke does not matter any more
        await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # one of the two has gone
        while data := await reader.read(_MAX_HEAD_BYTES):
            writer.write(data)
            await writer.drain()
