import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from films import write_film
from rtsp import camera, require_camera

from streamer.sources.attempt import Attempt, Output
from streamer.sources.place import Camera
from streamer.sources.reading import Unreadable
from streamer.sources.relay import Relay


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[Camera]:
    """A camera that says one thing to whatever it is asked."""
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while await reader.read(4096):
            writer.write(answer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Camera("127.0.0.1", port, "cam", is_tls=False, login="", target="/x")
    finally:
        server.close()
        for writer in connections:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def asked(place: Camera, say: bytes, length: int = -1) -> tuple[bytes, str | None]:
    """What comes back through a relay, so long or until it breaks off; the relay's own fault."""
    relay = Relay(place)
    url = await relay.open()
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(url.split(":")[2].split("/")[0])
    )
    writer.write(say)
    try:
        came = await (reader.read() if length < 0 else reader.readexactly(length))
        return came, relay.fault
    finally:
        writer.close()
        await writer.wait_closed()
        await relay.close()


async def test_answers_and_media_go_through_as_they_came():
    said = (
        b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nv=0\n$\0\0\5hello\r\nRTSP/1.0 404 No\r\n\r\n"
    )
    async with answering(said) as place:
        assert await asked(place, b"OPTIONS", len(said)) == (said, None)


async def test_media_that_looks_like_a_redirect_is_media():
    packet = b"RTSP/1.0 302 Found\r\n\r\n"
    said = b"$\0" + len(packet).to_bytes(2, "big") + packet
    async with answering(said) as place:
        assert await asked(place, b"PLAY", len(said)) == (said, None)


async def test_a_redirect_goes_no_further():
    answer = b"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://169.254.169.254/\r\n\r\n"
    async with answering(answer) as place:
        came, fault = await asked(place, b"DESCRIBE")
    assert came == b""
    assert fault is not None
    assert "elsewhere" in fault


@pytest.mark.parametrize(
    "answer",
    [
        b"RTSP/1.0 200 OK\r\nContent-Length: 999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
async def test_an_answer_without_end_is_not_kept(answer: bytes):
    async with answering(answer) as place:
        came, fault = await asked(place, b"DESCRIBE")
    assert came == b""
    assert fault is not None
    assert "longer than" in fault


async def test_ffmpeg_does_not_follow_a_redirect_and_the_reason_is_told():
    reached = asyncio.Event()

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        writer.transport.abort()

    inner = await asyncio.start_server(take, "127.0.0.1", 0)
    port = inner.sockets[0].getsockname()[1]
    answer = b"RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://127.0.0.1:%d/\r\n\r\n" % port
    async with answering(answer) as place:
        attempt = Attempt(place, Output())
        with pytest.raises(Unreadable, match="elsewhere"):
            await attempt.open()
        await attempt.close()
    inner.close()
    assert not reached.is_set()


async def test_a_second_connection_to_the_relay_gets_nothing(tmp_path: Path):
    async with answering(b"") as place:
        relay = Relay(place)
        port = int((await relay.open()).split(":")[2].split("/")[0])
        _, first = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        first.close()
        await first.wait_closed()
        await relay.close()


async def test_a_camera_that_is_not_there_is_told_in_words():
    place = Camera("127.0.0.1", 9, "cam", is_tls=False, login="me:s3cret@", target="/x")
    with pytest.raises(Unreadable, match="no connection to the camera") as refusal:
        await Attempt(place, Output()).open()
    assert "s3cret" not in str(refusal.value)


async def test_a_camera_without_a_good_certificate_is_not_spoken_to():
    async with answering(b"RTSP/1.0 200 OK\r\n\r\n") as place:
        tls = Camera(place.address, place.port, "cam", is_tls=True, login="", target="/x")
        with pytest.raises(Unreadable, match="no connection to the camera"):
            await Attempt(tls, Output()).open()


async def test_a_login_reaches_the_camera_and_a_wrong_one_is_refused(tmp_path: Path):
    require_camera()
    async with camera(write_film(tmp_path / "film.mp4"), login=("me", "s3cret")) as cam:
        for login, is_good in (("me:s3cret@", True), ("me:wrong@", False)):
            place = Camera("127.0.0.1", cam.port, "cam", False, login, "/cam")
            attempt = Attempt(place, Output())
            if is_good:
                await attempt.open()
            else:
                with pytest.raises(Unreadable, match="401"):
                    await attempt.open()
            await attempt.close()
