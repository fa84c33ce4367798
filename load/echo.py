"""`python -m load.echo`: plain aiortc that sends each video back: what ours is compared with.

Nothing of the service is in it. It says hello and a word a second, because our viewers wait for
that, and tells its CPU time at /metrics. Prints its URL when it listens, on loopback.
"""

import argparse
import asyncio
import json
import time
from contextlib import suppress
from resource import RUSAGE_SELF, getrusage

import aioice.ice
import uvicorn
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidStateError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

HOST = "127.0.0.1"
_HELLO = {
    "type": "hello",
    "session": "echo",
    "model": {"name": "none", "image_size": 1, "device": "cpu", "is_trained": False},
    "limits": {"max_tracks": 1},
}


class Echo:
    """An ASGI application: POST /offer, DELETE of any session, GET /config and /metrics."""

    def __init__(self) -> None:
        self._connections: dict[str, tuple[RTCPeerConnection, asyncio.Task[None]]] = {}
        """By path; few, as this is a tool: one for each viewer of a ramp."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        body = await Request(scope, receive).body()
        match scope["method"], scope["path"]:
            case "POST", "/offer":
                status, answer = 200, await self._answer(json.loads(body)["sdp"])
            case "DELETE", path if path in self._connections:
                status, answer = 200, await self._end(path)
            case "GET", "/config":
                status, answer = 200, json.dumps({"iceServers": []})
            case "GET", "/metrics":
                status, answer = 200, _metrics()
            case _:
                status, answer = 404, ""
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": answer.encode()})

    async def _answer(self, offer: str) -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        greeting = asyncio.create_task(_greet(connection))

        @connection.on("track")
        def send_back(track: MediaStreamTrack) -> None:
            connection.addTrack(track)

        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        session = str(len(self._connections))
        path = f"/sessions/{session}"
        self._connections[path] = connection, greeting
        sdp = connection.localDescription.sdp
        return json.dumps({"sdp": sdp, "location": path, "session": session})

    async def _end(self, path: str) -> str:
        connection, greeting = self._connections[path]
        greeting.cancel()
        await connection.close()
        return ""


async def _greet(connection: RTCPeerConnection) -> None:
    opened: asyncio.Future[RTCDataChannel] = asyncio.get_running_loop().create_future()

    @connection.on("datachannel")
    def take(channel: RTCDataChannel) -> None:
        if channel.label == "control":
            opened.set_result(channel)

    channel = await opened
    channel.send(json.dumps(_HELLO))
    with suppress(InvalidStateError):  # the viewer has left
        while True:
            await asyncio.sleep(1)
            channel.send(json.dumps({"type": "pong", "seq": 0}))


def _metrics() -> str:
    resident = getrusage(RUSAGE_SELF).ru_maxrss * 1024
    return (
        f"process_cpu_seconds_total {time.process_time()}\n"
        f"process_resident_memory_bytes {resident}\n"
    )


async def serve(port: int) -> None:
    """Until the process is ended."""
    # The one thing that is not plain: aioice leaves loopback out.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [HOST] if use_ipv4 else []  # noqa: ARG005
    server = uvicorn.Server(uvicorn.Config(Echo(), HOST, port, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started and not running.done():  # noqa: ASYNC110 (uvicorn has no event)
        await asyncio.sleep(0.01)
    if server.started:
        print(f"http://{HOST}:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await running


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(serve(parser.parse_args().port))
