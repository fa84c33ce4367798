"""Requests for a session that another pod has go to that pod: exactly one hop.

A load balancer in front sends PATCH and DELETE anywhere, and clients need not follow redirects of
them (RFC 9725, section 4.5), so a session's address has to work at every pod.
"""

import re
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response, WebSocket
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from streamer.fleet.fleet import OwnerGone
from streamer.fleet.hop import LateAnswer, NoAnswer
from streamer.http.bearer import Unauthorised
from streamer.http.peer import gone_problem, is_from_peer, passed_back, passed_on, target_of
from streamer.http.problem import Problem
from streamer.http.refusal import read_body, service_of, to_response
from streamer.http.relay import relay
from streamer.service import Service

_OWNED: Final = re.compile(
    r"/(?:whip/([\w.-]+)|whep/([\w.-]+)(?:/[\w-]+)?|sessions/([\w.-]+)(?:/(?:prompts|masks))?"
    r"|sources/([\w.-]+)(?:/control)?)",
    re.ASCII,
)
"""The paths that belong to a session, of which the group is the id."""
_METHODS: Final = frozenset({"DELETE", "GET", "PATCH", "POST"})


class Proxy:
    """ASGI middleware: passes on what belongs to another pod, and lets everything else through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        try:
            owner = await _owner(service, scope)
            if owner is None:
                await self._app(scope, receive, send)
            elif scope["type"] == "websocket":
                socket = WebSocket(scope, receive, send)
                await relay(socket, service.fleet, owner, target_of(scope))
            else:
                response = await _forward(Request(scope, receive), owner)
                await response(scope, receive, send)
        except Problem as refused:
            await _refuse(refused, scope, receive, send)


async def _owner(service: Service, scope: Scope) -> str | None:
    """The pod that answers; None: this one. Raises Problem 404 when it is no more."""
    owned = _OWNED.fullmatch(scope["path"])
    if owned is None or scope.get("method", "GET") not in _METHODS or service.fleet.is_alone:
        return None
    headers = Headers(scope=scope)
    if is_from_peer(scope):
        return None
    try:
        service.guard.admit(headers.get("authorization"))
        (session_id,) = filter(None, owned.groups())
        pod = await service.fleet.pod_of(session_id)
    except Unauthorised:  # as the route will say
        return None
    except OwnerGone as gone:
        service.metrics.requests_passed_on.labels("gone").inc()
        raise gone_problem(gone) from gone
    return None if pod == service.fleet.url else pod


async def _forward(request: Request, owner: str) -> Response:
    service = service_of(request)
    passed = service.metrics.requests_passed_on
    asked = passed_on(request, await read_body(request))
    try:
        answer = await service.hop.send(owner, asked)
    except LateAnswer as error:
        passed.labels("late").inc()
        words = "the session's pod did not answer in time"
        raise Problem(HTTPStatus.GATEWAY_TIMEOUT, words) from error
    except NoAnswer as error:
        passed.labels("gone").inc()
        raise gone_problem(OwnerGone()) from error
    passed.labels("answered").inc()
    return passed_back(answer)


async def _refuse(refused: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    answer = to_response(refused)
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(answer)
    else:
        await answer(scope, receive, send)
