"""What WebSockets of the service have in common: who may open one, and how it is refused."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from fastapi import WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from streamer.http import problem
from streamer.http.bearer import Unauthorised
from streamer.http.grant import Grant
from streamer.http.problem import Problem
from streamer.service import Service

_GOING_AWAY: Final = 1001
"""RFC 6455, section 7.4.1."""


def admit_socket(socket: WebSocket) -> tuple[Service, Grant]:
    """The service, and what the socket's token grants. Raises Problem."""
    service: Service = socket.app.state.service
    _check_origin(socket, service)
    try:
        return service, service.guard.admit(socket.headers.get("authorization"))
    except Unauthorised as error:
        service.metrics.tokens_refused.inc()
        headers = {"WWW-Authenticate": error.challenge}
        raise Problem(HTTPStatus.UNAUTHORIZED, str(error), headers) from error


async def refuse_socket(socket: WebSocket, refused: Problem) -> None:
    """Answers the handshake as a request is answered."""
    answer = JSONResponse(refused.body(), refused.status, refused.headers, problem.CONTENT_TYPE)
    await socket.send_denial_response(answer)


async def close_socket(socket: WebSocket, reason: str) -> None:
    """At our end, with a reason of at most 123 bytes."""
    try:
        await socket.close(_GOING_AWAY, reason)
    except (WebSocketDisconnect, RuntimeError):  # Starlette's, when the other end was faster
        return


async def send_all(socket: WebSocket, read: Callable[[], Awaitable[str | bytes]]) -> None:
    """Each message as it is read, as text or as bytes, until whoever takes them has gone."""
    try:
        while True:
            message = await read()
            if isinstance(message, str):
                await socket.send_text(message)
            else:
                await socket.send_bytes(message)
    except WebSocketDisconnect:
        return


def _check_origin(socket: WebSocket, service: Service) -> None:
    """Browsers let any page open a WebSocket, so CORS is kept here (RFC 6455, section 10.2)."""
    origin = socket.headers.get("origin")
    if origin is None or {origin, "*"} & set(service.settings.cors_origins):
        return
    if urlsplit(origin).netloc != socket.headers.get("host"):
        words = "this page may not open sockets here: STREAMER_CORS_ORIGINS"
        raise Problem(HTTPStatus.FORBIDDEN, words)
