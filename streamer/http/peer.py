"""What pods say to each other over HTTP: their load, and requests of clients on their behalf."""

from http import HTTPStatus
from typing import Final

import httpx
from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.types import Scope

from streamer.fleet.hop import LOAD_PATH, Asked
from streamer.fleet.peer_key import HEADER
from streamer.fleet.placement import Load
from streamer.http.problem import Problem
from streamer.service import Service

_ASKED: Final = ("accept", "authorization", "content-type", "if-match")
"""Headers that go along; CORS is the affair of the pod that the client speaks with."""
_TOLD: Final = (
    "accept-patch",
    "allow",
    "content-type",
    "etag",
    "link",
    "location",
    "retry-after",
    "www-authenticate",
)
"""Headers that come back."""


def add_load(app: FastAPI) -> None:
    """Adds /internal/load, for peers."""
    app.get(LOAD_PATH, include_in_schema=False)(get_load)


async def get_load(request: Request) -> Load:
    """How full this pod is. Raises Problem 404 for others than peers."""
    if not is_from_peer(request.scope):
        raise Problem(HTTPStatus.NOT_FOUND, "Not Found")
    service: Service = request.app.state.service
    return service.load


def is_from_peer(scope: Scope) -> bool:
    """Another pod asks: it is answered here, whatever the answer is."""
    service: Service = scope["app"].state.service
    header = Headers(scope=scope).get(HEADER)
    return service.fleet.is_from_peer(header, scope.get("method", "GET"), target_of(scope))


def gone_problem(error: LookupError) -> Problem:
    """404 for a session that is not to be found: programs offer anew by its code."""
    return Problem(HTTPStatus.NOT_FOUND, str(error), code="session_gone")


def target_of(scope: Scope) -> str:
    """Path and query as they came."""
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return (path + b"?" * bool(query) + query).decode("latin-1")


def passed_on(request: Request, body: bytes) -> Asked:
    """A request as another pod gets it."""
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    return Asked(request.method, target_of(request.scope), headers, body)


def passed_back(answer: httpx.Response) -> Response:
    """Another pod's answer as the client gets it."""
    response = Response(answer.content, answer.status_code)
    for name, value in answer.headers.multi_items():  # Link may come more than once
        if name in _TOLD:
            response.headers.append(name, value)
    return response
