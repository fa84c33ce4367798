"""A WebSocket of a session that another pod has: message by message, nothing kept."""

import contextlib
from typing import Final

from fastapi import Response, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from streamer.fleet.fleet import Fleet, OwnerGone
from streamer.fleet.peer_key import HEADER
from streamer.http.peer import gone_problem
from streamer.http.sockets import admit_socket, close_socket, send_all
from streamer.until_first import until_first

_MAX_MESSAGE_BYTES: Final = 1 << 24
_MAX_UNREAD: Final = 2
"""Messages that wait here; behind them TCP fills and the owner leaves masks out."""
_CONNECT_S: Final = 3.0
_CLOSE_S: Final = 1.0
_TOLD: Final = ("content-type", "retry-after", "www-authenticate")


async def relay(socket: WebSocket, fleet: Fleet, owner: str, target: str) -> None:
    """Until either side has gone. Raises Problem when the owner cannot be reached."""
    service, _ = admit_socket(socket)
    headers = {HEADER: fleet.sign("GET", target)}
    if (authorization := socket.headers.get("authorization")) is not None:
        headers["Authorization"] = authorization
    connecting = connect(
        "ws" + (owner + target).removeprefix("http"),
        additional_headers=headers,
        compression=None,
        max_size=_MAX_MESSAGE_BYTES,
        max_queue=_MAX_UNREAD,
        open_timeout=_CONNECT_S,
        close_timeout=_CLOSE_S,
        proxy=None,
    )
    try:
        upstream = await connecting
    except InvalidStatus as refused:
        await socket.send_denial_response(_passed_back(refused))
        return
    except (OSError, TimeoutError, WebSocketException) as error:
        service.metrics.requests_passed_on.labels("gone").inc()
        raise gone_problem(OwnerGone()) from error
    service.metrics.requests_passed_on.labels("answered").inc()
    async with upstream:
        await socket.accept()
        await _serve(socket, upstream)


async def _serve(socket: WebSocket, upstream: ClientConnection) -> None:
    sending, leaving = await until_first(_send(socket, upstream), _hear(socket, upstream))
    if not sending.cancelled():
        sending.result()
    if leaving.cancelled():
        await close_socket(socket, upstream.close_reason or "the session's pod is gone: offer anew")


async def _send(socket: WebSocket, upstream: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        await send_all(socket, upstream.recv)


async def _hear(socket: WebSocket, upstream: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):  # as the other part finds, too
        while (event := await socket.receive())["type"] != "websocket.disconnect":
            said = event.get("text")
            await upstream.send(event.get("bytes", b"") if said is None else said)


def _passed_back(refused: InvalidStatus) -> Response:
    answer = refused.response
    headers = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
    return Response(bytes(answer.body), answer.status_code, headers)
