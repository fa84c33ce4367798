"""Requests that are refused: bodies are read within limits, errors become Problems and counts."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from streamer.http import problem
from streamer.http.bearer import Unauthorised
from streamer.http.grant import Grant
from streamer.http.peer import is_from_peer
from streamer.http.problem import Problem
from streamer.media.watchers import UnknownWatcher
from streamer.protocol import ProtocolError
from streamer.rtc.fragment import FragmentError, FragmentRefused
from streamer.rtc.offer import NoCandidates, OfferError, OfferRefused
from streamer.service import Service
from streamer.session.admission import Full, FullKind
from streamer.session.stay import UnknownSession
from streamer.session.term import TimeUp

_REASONS: Final = {
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "wrong_type",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}
"""Why an offer is refused before it is read, for the metrics."""
FOR_WANT_OF_PODS: Final[frozenset[FullKind]] = frozenset({"full", "no_ports", "not_ready"})
"""Kinds of Full after which the viewer waits, as one more pod would end."""


def service_of(request: Request) -> Service:
    """The service that answers the request."""
    service: Service = request.app.state.service
    return service


async def require_token(request: Request) -> None:
    """Raises Problem 401 for a request without a good token, where tokens are asked for."""
    service = service_of(request)
    try:
        request.state.grant = service.guard.admit(request.headers.get("authorization"))
    except Unauthorised as error:
        service.metrics.tokens_refused.inc()
        headers = {"WWW-Authenticate": error.challenge}
        raise Problem(HTTPStatus.UNAUTHORIZED, str(error), headers) from error


def grant_of(request: Request) -> Grant:
    """What the token of a request that had to bear one grants."""
    grant: Grant = request.state.grant
    return grant


def to_response(refused: Problem) -> Response:
    """As RFC 9457 writes it."""
    return JSONResponse(refused.body(), refused.status, refused.headers, problem.CONTENT_TYPE)


def require_type(request: Request, expected: str) -> None:
    """Raises Problem 415 for a body of another type, or of none."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != expected:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{given or 'nothing'}, not {expected}")


async def read_body(request: Request) -> bytes:
    """The body, read no further than the limit. Raises Problem 413."""
    limit = service_of(request).settings.max_offer_bytes
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit} bytes")
    return bytes(body)


@contextmanager
def refusals(request: Request) -> Iterator[None]:
    """Around an offer: what it fails by is counted and becomes a Problem; the one place for both.

    Our own faults are counted as `other` and go on. A peer that finds no room here looks on; the
    pod that the viewer came to counts it, once.
    """
    try:
        yield
    except BaseException as error:
        reason, refusal = _refusal(error)
        service = service_of(request)
        if not (isinstance(error, Full) and is_from_peer(request.scope)):
            service.metrics.offers_refused.labels(reason).inc()
            if isinstance(error, Full) and error.kind in FOR_WANT_OF_PODS:
                service.vitals.turn_away(error.retry_after_s)
        if refusal is None:
            raise
        raise refusal from error


@contextmanager
def fragment_refusals() -> Iterator[None]:
    """Around a PATCH: what it fails by becomes a Problem."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the fragment is not UTF-8") from error
    except FragmentError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    except FragmentRefused as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except (UnknownSession, UnknownWatcher) as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error


def _refusal(error: BaseException) -> tuple[str, Problem | None]:  # noqa: PLR0911 (a table of errors)
    """An offer's error -> the reason to count, and the answer."""
    match error:
        case Full():
            return error.kind, full_problem(error)
        case TimeUp():
            return "time_up", time_up_problem(error)
        case Problem():
            return _REASONS[error.status], error
        case UnicodeDecodeError():
            return "malformed", Problem(HTTPStatus.BAD_REQUEST, "the offer is not UTF-8")
        case ValidationError():
            return "malformed", Problem(HTTPStatus.BAD_REQUEST, _in_words(error))
        case OfferRefused():
            return "unusable", Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        case OfferError() | ProtocolError():
            return "malformed", Problem(HTTPStatus.BAD_REQUEST, str(error))
        case NoCandidates():
            return "no_candidates", Problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        case TimeoutError():
            words = "no candidates could be gathered"
            return "timeout", Problem(HTTPStatus.GATEWAY_TIMEOUT, words)
    return "other", None


def full_problem(full: Full) -> Problem:
    """503, or 429 where it is the asker alone who has too much."""
    is_asker = full.kind in {"subject_full", "subject_sources_full"}
    status = HTTPStatus.TOO_MANY_REQUESTS if is_asker else HTTPStatus.SERVICE_UNAVAILABLE
    # Up to twice as much: who was refused at one time must not come back at one time.
    after_s = full.retry_after_s + secrets.randbelow(full.retry_after_s + 1)
    return Problem(status, str(full), {"Retry-After": str(after_s)}, full.kind)


def time_up_problem(error: TimeUp) -> Problem:
    """403, by whose code a client knows that it need not try again."""
    return Problem(HTTPStatus.FORBIDDEN, str(error), code="time_up")


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"the body is no offer: {place}: {first['msg']}" if place else first["msg"]
