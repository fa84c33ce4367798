"""HTTP: WHIP (RFC 9725), the JSON offer, /livez /readyz /metrics /config, and the page."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from streamer import metrics, problem
from streamer.admission import Full
from streamer.config import Settings
from streamer.problem import Problem
from streamer.rtc.offer import NoCandidates, OfferError
from streamer.service import Answer, Service
from streamer.worker import Steps, WorkerState

WEB: Final = Path(__file__).parent / "web"
SDP: Final = "application/sdp"
_REASONS: Final = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "wrong_type",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}
"""Why an offer is refused before it is read, for the metrics."""


class Offer(BaseModel):
    """Body of POST /offer."""

    sdp: str
    type: Literal["offer"]


class AnswerBody(BaseModel):
    """Answer to POST /offer."""

    sdp: str
    type: Literal["answer"] = "answer"
    session: str
    location: str
    """DELETE it to end the session."""


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
    app.post("/whip", status_code=201, response_class=PlainTextResponse)(post_whip)
    app.options("/whip", status_code=204)(options_whip)
    app.delete("/whip/{session_id}")(delete_session)
    app.post("/offer")(post_offer)
    app.get("/livez", response_class=PlainTextResponse)(livez)
    app.get("/readyz", response_class=PlainTextResponse)(readyz)
    app.get("/metrics", response_class=PlainTextResponse)(get_metrics)
    app.get("/config")(get_config)
    app.get("/", include_in_schema=False)(index)
    app.mount("/web", StaticFiles(directory=WEB), name="web")
    return app


async def post_whip(request: Request) -> Response:
    """An SDP offer; 201 with the SDP answer, and the session's address in Location."""
    with _refusals(request):
        _require_type(request, SDP)
        answer = await _answer(request, await _body(request))
    tag = hashlib.sha256(answer.sdp.encode()).hexdigest()[:16]
    headers = {"Location": _location(answer), "ETag": f'"{tag}"'}
    return Response(answer.sdp, HTTPStatus.CREATED, headers, media_type=SDP)


async def options_whip() -> Response:
    """What WHIP clients may send here."""
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Accept-Post": SDP})


async def post_offer(request: Request) -> AnswerBody:
    """The same as WHIP in JSON: {"sdp", "type": "offer"}."""
    with _refusals(request):
        _require_type(request, "application/json")
        offer = Offer.model_validate_json(await _body(request))
        answer = await _answer(request, offer.sdp.encode())
    return AnswerBody(sdp=answer.sdp, session=answer.session_id, location=_location(answer))


async def delete_session(request: Request, session_id: str) -> Response:
    """Ends a session."""
    if not _service(request).end(session_id):
        raise Problem(HTTPStatus.NOT_FOUND, f"no session {session_id}")
    return Response(status_code=HTTPStatus.OK)


async def livez(request: Request) -> Response:
    """200 while the process can do its work: the engine's thread has not died."""
    if _service(request).worker.state is WorkerState.DEAD:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the engine's thread died")
    return PlainTextResponse("ok")


async def readyz(request: Request) -> Response:
    """200 when the engine is loaded and the service is not stopping, full or not."""
    service = _service(request)
    if not service.is_ready:
        state = "stopping" if service.is_stopping else str(service.worker.state)
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"the engine is {state}")
    return PlainTextResponse("ok")


async def get_metrics(request: Request) -> Response:
    """All Prometheus series."""
    service = _service(request)
    service.metrics.ready.set(service.is_ready)
    return Response(service.metrics.exposition(), media_type=metrics.CONTENT_TYPE)


async def get_config(request: Request) -> Config:
    """What the page has to know before it connects."""
    service = _service(request)
    info = service.worker.info
    return Config(
        # A browser would take null for a name.
        iceServers=tuple(s.model_dump(exclude_none=True) for s in service.settings.ice_servers),
        model=service.settings.model if info is None else info.model,
        is_trained=None if info is None else info.is_trained,
    )


async def index() -> FileResponse:
    """The page."""
    return FileResponse(WEB / "index.html")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _location(answer: Answer) -> str:
    return f"/whip/{answer.session_id}"


def _require_type(request: Request, expected: str) -> None:
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != expected:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{given or 'nothing'}, not {expected}")


async def _body(request: Request) -> bytes:
    """The body, read no further than the limit."""
    limit = _service(request).settings.max_offer_bytes
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit} bytes")
    return bytes(body)


async def _answer(request: Request, offer: bytes) -> Answer:
    return await _service(request).answer(offer.decode())


@contextmanager
def _refusals(request: Request) -> Iterator[None]:
    """Around an offer: what it fails by is counted and becomes a Problem; the one place for both.

    Our own faults are counted as `other` and go on.
    """
    try:
        yield
    except BaseException as error:
        reason, refusal = _refusal(error)
        _service(request).metrics.offers_refused.labels(reason).inc()
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: BaseException) -> tuple[str, Problem | None]:  # noqa: PLR0911 (a table of errors)
    """An offer's error -> the reason to count, and the answer."""
    match error:
        case Full():
            headers = {"Retry-After": str(error.retry_after_s)}
            return "full", Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers)
        case Problem():
            return _REASONS[error.status], error
        case UnicodeDecodeError():
            return "malformed", Problem(HTTPStatus.BAD_REQUEST, "the offer is not UTF-8")
        case ValidationError():
            return "malformed", Problem(HTTPStatus.BAD_REQUEST, _in_words(error))
        case OfferError():
            return "malformed", Problem(HTTPStatus.BAD_REQUEST, str(error))
        case NoCandidates():
            return "no_candidates", Problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        case TimeoutError():
            words = "no candidates could be gathered"
            return "timeout", Problem(HTTPStatus.GATEWAY_TIMEOUT, words)
    return "other", None


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"the body is no offer: {place}: {first['msg']}" if place else first["msg"]


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return JSONResponse(error.body(), error.status, error.headers, problem.CONTENT_TYPE)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own refusals (no such path, no such method) in the same words."""
    assert isinstance(error, HTTPException)
    refused = Problem(HTTPStatus(error.status_code), str(error.detail), error.headers)
    return await _answer_problem(request, refused)
