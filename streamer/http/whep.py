"""WHEP (draft-ietf-wish-whep): others watch what a session's viewer gets back, or its mask."""

from http import HTTPStatus

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from streamer.http.problem import Problem
from streamer.http.refusal import (
    fragment_refusals,
    read_body,
    refusals,
    require_token,
    require_type,
    service_of,
)
from streamer.http.whip import SDP, created, require_match
from streamer.media.watchers import Watched, Watchers
from streamer.rtc import fragment
from streamer.session.stay import UnknownSession


def add_whep(app: FastAPI) -> None:
    """Adds /whep/{session_id}, the endpoint, and /whep/{session_id}/{watcher_id}, a stay at it."""
    guarded = [Depends(require_token)]
    endpoint, stay = "/whep/{session_id}", "/whep/{session_id}/{watcher_id}"
    app.post(endpoint, status_code=201, response_class=PlainTextResponse, dependencies=guarded)(
        post_whep
    )
    app.options(endpoint)(options_whep)
    app.patch(stay, status_code=204, dependencies=guarded)(patch_watcher)
    app.options(stay)(options_watcher)
    app.delete(stay, dependencies=guarded)(delete_watcher)


async def post_whep(request: Request, session_id: str) -> Response:
    """An SDP offer that receives video; 201 with the answer, and the stay's address.

    `?track=mask` asks for the grey mask in place of the picture.
    """
    watchers = _watchers(request, session_id)
    watched = _watched(request)
    with refusals(request):
        require_type(request, SDP)
        admitted = await watchers.admit((await read_body(request)).decode(), watched)
    return created(admitted, f"/whep/{session_id}/{admitted.watcher_id}")


async def options_whep() -> Response:
    """What may be done here; streamer.http.cors says what may be sent."""
    return Response(headers={"Allow": "OPTIONS, POST"})


async def patch_watcher(request: Request, session_id: str, watcher_id: str) -> Response:
    """Candidates that were found after the offer; ICE restarts are answered 422."""
    watchers = _watchers(request, session_id)
    with fragment_refusals():
        tag = watchers.tag_of(watcher_id)
        require_type(request, fragment.CONTENT_TYPE)
        # whip-whep's WHEPClient sends none; whose candidates they are, their ufrag says too.
        if "if-match" in request.headers:
            require_match(request, tag)
        said = fragment.parse((await read_body(request)).decode())
        await watchers.add_candidates(watcher_id, said)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def options_watcher() -> Response:
    """What may be done with a stay."""
    return Response(headers={"Allow": "DELETE, OPTIONS, PATCH"})


async def delete_watcher(request: Request, session_id: str, watcher_id: str) -> Response:
    """Ends a stay; the session goes on."""
    if not _watchers(request, session_id).end(watcher_id):
        raise Problem(HTTPStatus.NOT_FOUND, f"no watcher {watcher_id}")
    return Response(status_code=HTTPStatus.OK)


def _watchers(request: Request, session_id: str) -> Watchers:
    """Raises Problem 404 where no such session is open."""
    try:
        return service_of(request).stay(session_id).watchers
    except UnknownSession as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error


def _watched(request: Request) -> Watched:
    """Raises Problem 400 for what is none of them."""
    name = request.query_params.get("track", Watched.VIDEO)
    if name not in list(Watched):
        raise Problem(HTTPStatus.BAD_REQUEST, f"track: {name!r}, not one of {', '.join(Watched)}")
    return Watched(name)
