"""/sources: video that the service fetches by itself; its session is like a browser's."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Request, Response, WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.websockets import WebSocketDisconnect

from streamer.http.described import body_of, refused
from streamer.http.placing import place
from streamer.http.problem import Problem
from streamer.http.refusal import (
    FOR_WANT_OF_PODS,
    full_problem,
    grant_of,
    read_body,
    require_token,
    require_type,
    service_of,
    time_up_problem,
)
from streamer.http.sockets import admit_socket, close_socket, refuse_socket
from streamer.picture.output import from_query
from streamer.protocol import ProtocolError
from streamer.session.admission import Full, FullKind
from streamer.session.inbox import Inbox
from streamer.session.stay import UnknownSession
from streamer.session.term import TimeUp
from streamer.sources.place import MAX_URL_CHARACTERS, Code, PlaceRefused, is_of_the_network
from streamer.sources.reading import Unreadable
from streamer.sources.registry import Record, Registry, Wish
from streamer.sources.source import Controlled, Source, State
from streamer.until_first import until_first

_FOR_WANT_OF_PODS: Final[frozenset[FullKind]] = FOR_WANT_OF_PODS | {"sources_full"}

_STATUS: Final[dict[Code, HTTPStatus]] = {
    "bad_url": HTTPStatus.BAD_REQUEST,
    "not_allowed": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
}


class OpenSource(BaseModel):
    """Body of POST /sources."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    url: Annotated[str, Field(max_length=MAX_URL_CHARACTERS)]
    """rtsp://, rtsps://, file:/// or v4l2:///dev/video0?width=640&height=360&fps=30."""
    loop: bool = False
    """A file begins again when it has ended."""
    resume: str | None = None
    """The last resume token of the session before this one, as after a `migrate`."""


class SourceBody(BaseModel):
    """A source, as it is now or as it ended."""

    session: str
    """For /sessions/{session}/prompts, /sessions/{session}/masks and /whep/{session}."""
    location: str
    """DELETE it to end the session."""
    url: str
    """Without user, password and query."""
    state: State
    reason: str | None
    """Why it is not playing."""
    width: int | None
    height: int | None
    """Of the last frame."""
    frames: int
    """Decoded so far."""
    attempts: int
    """To open it; more than one: the camera was away."""
    resumed: tuple[int, ...] = ()
    """Tracks that go on from the session before."""


class SourceList(BaseModel):
    """Those that the token's subject has open."""

    sources: list[SourceBody]


def add_sources(app: FastAPI) -> None:
    """Adds /sources, /sources/{session_id} and its control socket."""
    guarded = [Depends(require_token)]
    one = "/sources/{session_id}"
    app.post(
        "/sources",
        status_code=201,
        response_model=SourceBody,
        dependencies=guarded,
        responses=refused(400, 401, 403, 404, 413, 415, 422, 429, 502, 503, 504),
        openapi_extra=body_of(OpenSource),
    )(post_source)
    app.get("/sources", dependencies=guarded, responses=refused(401))(get_sources)
    app.get(one, dependencies=guarded, responses=refused(401, 404))(get_source)
    app.delete(one, status_code=204, dependencies=guarded, responses=refused(401, 404))(
        delete_source
    )
    app.websocket(f"{one}/control")(control_source)


async def post_source(request: Request, response: Response) -> SourceBody | Response:
    """Opens a camera, a file or a device; its session begins with the first frame.

    `?output=`, `strength` and `colour` say what those see who watch it, as with an offer. A camera
    is opened by the pod that has room for it; files and devices are those of the pod that is asked.
    """
    service = service_of(request)
    with _refusals():
        require_type(request, "application/json")
        wish = OpenSource.model_validate_json(body := await read_body(request))
        output = from_query(request.query_params)

        async def here() -> SourceBody:
            stay, record = await _registry_of(request.app).open(
                Wish(wish.url, wish.loop, wish.resume), grant_of(request)
            )
            service.choose(record.session_id, output)
            opened = _body(record).model_copy(update={"resumed": stay.resumed})
            response.headers["Location"] = opened.location
            return opened

        if not is_of_the_network(wish.url):
            return await here()
        return await place(request, body, wish.resume, here, _FOR_WANT_OF_PODS)


async def get_sources(request: Request) -> SourceList:
    """The open sources of the token's subject."""
    records = _registry_of(request.app).of(grant_of(request).subject)
    return SourceList(sources=[_body(record) for record in records])


async def get_source(request: Request, session_id: str) -> SourceBody:
    """How a source is; of the last that ended, how they ended."""
    with _refusals():
        return _body(_find(request, session_id))


async def delete_source(request: Request, session_id: str) -> Response:
    """Ends a source and its session."""
    with _refusals():
        _find(request, session_id)
    service_of(request).end(session_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def control_source(socket: WebSocket, session_id: str) -> None:
    """The control channel of the source's session, for one program at a time.

    Its messages are those of the WebRTC channel `control`, and `source` for how the source is.
    """
    try:
        _, grant = admit_socket(socket)
        with _refusals():
            source = _registry_of(socket.app).find(session_id, grant.subject).source
            with source.control() as inbox:
                await socket.accept()
                await _converse(socket, source, inbox)
    except Problem as problem:
        await refuse_socket(socket, problem)


async def _converse(socket: WebSocket, source: Source, inbox: Inbox[str]) -> None:
    """Until the session or the program has gone."""
    for task in await until_first(_tell(socket, inbox), _hear(socket, source)):
        if not task.cancelled():
            task.result()
    await close_socket(socket, f"the session has ended: {source.reason or 'by a wish'}"[:120])


async def _tell(socket: WebSocket, inbox: Inbox[str]) -> None:
    try:
        async for text in inbox:
            await socket.send_text(text)
    except WebSocketDisconnect:
        return


async def _hear(socket: WebSocket, source: Source) -> None:
    while (event := await socket.receive())["type"] != "websocket.disconnect":
        said = event.get("text")
        source.on_message(event.get("bytes", b"") if said is None else said)


def _find(request: Request, session_id: str) -> Record:
    """Raises UnknownSession, for another subject's source too."""
    return _registry_of(request.app).find(session_id, grant_of(request).subject)


def _registry_of(app: FastAPI) -> Registry:
    """Of the service; made with the first request."""
    if not hasattr(app.state, "sources"):
        app.state.sources = Registry(app.state.service)
    registry: Registry = app.state.sources
    return registry


def _body(record: Record) -> SourceBody:
    source = record.source
    width, height = source.size or (None, None)
    return SourceBody(
        session=record.session_id,
        location=f"/sources/{record.session_id}",
        url=source.shown_url,
        state=source.state,
        reason=source.reason,
        width=width,
        height=height,
        frames=source.num_pictures,
        attempts=source.num_attempts,
    )


@contextmanager
def _refusals() -> Iterator[None]:
    """What a request fails by becomes a Problem with a code."""
    try:
        yield
    except PlaceRefused as error:
        raise Problem(_STATUS[error.code], str(error), code=error.code) from error
    except Unreadable as error:
        raise Problem(HTTPStatus.BAD_GATEWAY, str(error), code="unreadable") from error
    except TimeoutError as error:
        words = "the source did not open in time"
        raise Problem(HTTPStatus.GATEWAY_TIMEOUT, words, code="timeout") from error
    except Full as error:
        raise full_problem(error) from error
    except TimeUp as error:
        raise time_up_problem(error) from error
    except UnknownSession as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except Controlled as error:
        words = "another program has the control"
        raise Problem(HTTPStatus.CONFLICT, words, code="controlled") from error
    except ProtocolError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error), code=error.code) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        words = f"{place or 'body'}: {first['msg']}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, words, code="bad_body") from error
