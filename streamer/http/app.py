"""HTTP: the JSON offer, /livez /readyz /metrics /config, and the page; WHIP is in app_whip."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Route

from streamer.config import Settings
from streamer.http.cors import Cors
from streamer.http.masks import add_masks
from streamer.http.peer import add_load
from streamer.http.placing import place
from streamer.http.problem import Problem
from streamer.http.prompts import add_prompts
from streamer.http.proxy import Proxy
from streamer.http.refusal import (
    grant_of,
    read_body,
    refusals,
    require_token,
    require_type,
    service_of,
    to_response,
)
from streamer.http.session import add_session
from streamer.http.sources import add_sources
from streamer.http.whep import add_whep
from streamer.http.whip import add_whip, location
from streamer.media import turn
from streamer.picture.output import from_query
from streamer.service import Service
from streamer.session.stay import Visit
from streamer.telemetry import metrics
from streamer.worker import Steps

WEB: Final = Path(__file__).parents[1] / "web"


class Offer(BaseModel):
    """Body of POST /offer."""

    sdp: str
    type: Literal["offer"]
    resume: str | None = None
    """The last token of the viewer's session before this one."""


class AnswerBody(BaseModel):
    """Answer to POST /offer."""

    sdp: str
    type: Literal["answer"] = "answer"
    session: str
    location: str
    """DELETE it to end the session."""
    resumed: tuple[int, ...]
    """Tracks that go on from the session before; none without a token that is good."""


class Config(BaseModel):
    """What the page has to know before it connects."""

    iceServers: tuple[dict[str, str], ...]  # noqa: N815 (RTCConfiguration's spelling)
    model: str
    is_trained: bool | None
    """None: the engine is not loaded yet."""


def create_app(settings: Settings, load: Callable[[], Steps]) -> FastAPI:
    """The service's HTTP side; the Service itself lives from start-up to shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with Service(settings, load) as service:
            app.state.service = service
            yield

    app = FastAPI(title="streamer", lifespan=lifespan)
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_middleware(Proxy)
    app.add_middleware(Cors, origins=settings.cors_origins)
    add_whip(app)
    add_whep(app)
    add_prompts(app)
    add_masks(app)
    add_sources(app)
    add_session(app)
    add_load(app)
    guarded = [Depends(require_token)]
    app.post("/offer", response_model=AnswerBody, dependencies=guarded)(post_offer)
    app.get("/livez", response_class=PlainTextResponse)(livez)
    app.get("/readyz", response_class=PlainTextResponse)(readyz)
    if settings.metrics_port is None:
        app.get("/metrics", response_class=PlainTextResponse)(get_metrics)
    app.get("/config", dependencies=guarded)(get_config)
    app.get("/", include_in_schema=False)(index)
    app.mount("/web", StaticFiles(directory=WEB), name="web")
    return app


async def post_offer(request: Request) -> AnswerBody | Response:
    """The same as WHIP in JSON: {"sdp", "type": "offer"}."""
    service = service_of(request)
    with refusals(request):
        require_type(request, "application/json")
        offer = Offer.model_validate_json(body := await read_body(request))
        output = from_query(request.query_params)

        async def here() -> AnswerBody:
            visit = Visit(offer.resume, grant_of(request))
            answer = await service.answer(offer.sdp, visit)
            service.choose(answer.session_id, output)
            return AnswerBody(
                sdp=answer.sdp,
                session=answer.session_id,
                location=location(answer.session_id),
                resumed=answer.resumed,
            )

        return await place(request, body, offer.resume, here)


async def livez(request: Request) -> Response:
    """200 while the process can do its work; an event loop that stands still answers nothing."""
    why_dead = service_of(request).vitals.why_dead
    if why_dead is not None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, why_dead)
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """200 when the engine is loaded and warm and the service does not drain; full or not."""
    why_unready = service_of(request).vitals.why_unready
    if why_unready is not None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the service is {why_unready}")
    return PlainTextResponse("ok")


async def get_metrics(request: Request) -> Response:
    """All Prometheus series."""
    exposition = service_of(request).metrics.exposition()
    return Response(exposition, media_type=metrics.CONTENT_TYPE)


async def get_config(request: Request) -> Config:
    """What the page has to know before it connects."""
    service = service_of(request)
    info = service.worker.info
    return Config(
        iceServers=tuple(s.to_browser() for s in turn.ice_servers(service.settings)),
        model=service.settings.model if info is None else info.model,
        is_trained=None if info is None else info.is_trained,
    )


async def index() -> FileResponse:
    """The page."""
    return FileResponse(WEB / "index.html")


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return to_response(error)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own refusals (no such path, no such method) in the same words."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # Starlette names the first route's only
        headers["Allow"] = ", ".join(_methods_at(request))
    refused = Problem(HTTPStatus(error.status_code), str(error.detail), headers)
    return await _answer_problem(request, refused)


def _methods_at(request: Request) -> list[str]:
    """What can be done with the path of the request."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    there = (route for route in routes if route.path_regex.match(request.url.path))
    return sorted({method for route in there for method in route.methods or ()})
