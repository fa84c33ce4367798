"""WHIP (RFC 9725): an offer makes a session, later candidates patch it, DELETE ends it."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, Protocol

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from streamer.http.placing import place
from streamer.http.problem import Problem
from streamer.http.refusal import (
    fragment_refusals,
    grant_of,
    read_body,
    refusals,
    require_token,
    require_type,
    service_of,
)
from streamer.ice_server import IceServer
from streamer.picture.output import from_query
from streamer.rtc import fragment
from streamer.session.stay import Visit

SDP: Final = "application/sdp"
_QUOTED: Final = re.compile(r'(["\\])')


def add_whip(app: FastAPI) -> None:
    """Adds /whip, the endpoint, and /whip/{session_id}, a session of it."""
    guarded = [Depends(require_token)]
    app.post("/whip", status_code=201, response_class=PlainTextResponse, dependencies=guarded)(
        post_whip
    )
    app.options("/whip")(options_whip)
    app.patch("/whip/{session_id}", status_code=204, dependencies=guarded)(patch_session)
    app.options("/whip/{session_id}")(options_session)
    app.delete("/whip/{session_id}", dependencies=guarded)(delete_session)


async def post_whip(request: Request) -> Response:
    """An SDP offer; 201 with the SDP answer, and the session's address in Location."""
    service = service_of(request)
    with refusals(request):
        require_type(request, SDP)
        output = from_query(request.query_params)
        offer = (body := await read_body(request)).decode()

        async def here() -> Response:
            answer = await service.answer(offer, Visit(grant=grant_of(request)))
            service.choose(answer.session_id, output)
            return created(answer, location(answer.session_id))

        return await place(request, body, None, here)


async def options_whip() -> Response:
    """What may be done here; streamer.http.cors says what may be sent."""
    return Response(headers={"Allow": "OPTIONS, POST"})


async def patch_session(request: Request, session_id: str) -> Response:
    """Candidates that were found after the offer (section 4.3); ICE restarts are answered 422."""
    service = service_of(request)
    with fragment_refusals():
        tag = service.tag_of(session_id)
        require_type(request, fragment.CONTENT_TYPE)
        require_match(request, tag)
        said = fragment.parse((await read_body(request)).decode())
        await service.add_candidates(session_id, said)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def options_session() -> Response:
    """What may be done with a session."""
    return Response(headers={"Allow": "DELETE, OPTIONS, PATCH"})


async def delete_session(request: Request, session_id: str) -> Response:
    """Ends a session. An If-Match is ignored, as section 4.3.1 asks."""
    if not service_of(request).end(session_id):
        raise Problem(HTTPStatus.NOT_FOUND, f"no session {session_id}")
    return Response(status_code=HTTPStatus.OK)


def location(session_id: str) -> str:
    """The session's address, below the service's root."""
    return f"/whip/{session_id}"


class Answered(Protocol):
    """What was agreed with whoever made an offer."""

    @property
    def sdp(self) -> str:
        """The answer."""

    @property
    def tag(self) -> str:
        """Of its ICE session."""

    @property
    def ice_servers(self) -> Iterable[IceServer]:
        """With the user that it may be at TURN servers."""


def created(answer: Answered, address: str) -> Response:
    """201 as WHIP and WHEP have it (section 4.2): what was made is at the address."""
    headers = {
        "Location": address,
        "ETag": f'"{answer.tag}"',
        "Accept-Patch": fragment.CONTENT_TYPE,
    }
    response = Response(answer.sdp, HTTPStatus.CREATED, headers, media_type=SDP)
    for link in ice_links(answer.ice_servers):
        response.headers.append("Link", link)
    return response


def ice_links(servers: Iterable[IceServer]) -> list[str]:
    """Link headers that name STUN and TURN servers (section 4.6)."""
    links = []
    for server in servers:
        link = f'<{server.urls}>; rel="ice-server"'
        if server.username is not None and server.password is not None:
            link += f"; username={_quoted(server.username)}"
            link += f'; credential={_quoted(server.password)}; credential-type="password"'
        links.append(link)
    return links


def require_match(request: Request, tag: str) -> None:
    """Raises Problem unless the client speaks of the ICE session that there is (section 4.3.1)."""
    given = request.headers.get("if-match")
    if given is None:
        words = "If-Match is needed, with the ETag of the session"
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, words)
    if not {"*", f'"{tag}"'} & {part.strip() for part in given.split(",")}:
        raise Problem(HTTPStatus.PRECONDITION_FAILED, f"{given[:80]} is not the session's ETag")


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110, section 5.6.4)."""
    return '"' + _QUOTED.sub(r"\\\1", text) + '"'
