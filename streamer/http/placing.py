"""An offer is answered by the pod that has room for it, maybe not the one that it came to."""

from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import TypeVar

from fastapi import Request, Response

from streamer.fleet.fleet import OwnerGone
from streamer.fleet.hop import Asked, NoAnswer
from streamer.fleet.placement import order
from streamer.http.peer import is_from_peer, passed_back, passed_on
from streamer.http.refusal import FOR_WANT_OF_PODS, service_of
from streamer.service import Service
from streamer.session.admission import Full, FullKind

T = TypeVar("T")


async def place(
    request: Request,
    body: bytes,
    resume: str | None,
    here: Callable[[], Awaitable[T]],
    kinds: Collection[FullKind] = FOR_WANT_OF_PODS,
) -> T | Response:
    """The answer of `here`, or of another pod to the same request.

    `kinds` of Full are those that another pod may have room in spite of. Raises what `here` raises;
    Full when nobody has room.
    """
    service = service_of(request)
    if service.fleet.is_alone or is_from_peer(request.scope):
        return await here()
    full: Full | None = None
    for pod in await _candidates(service, resume):
        if pod != service.fleet.url:
            answer = await _ask(service, pod, passed_on(request, body))
            if answer is not None:
                return answer
            continue
        try:
            return await here()
        except Full as error:
            if error.kind not in kinds:  # the asker's own limits hold anywhere
                raise
            full = error
    if full is not None:
        raise full
    return await here()  # which says why it is full, or has just got room


async def _candidates(service: Service, resume: str | None) -> list[str]:
    """Pods that may take the viewer, in turn: first the one that may have its tracks."""
    url, hop = service.fleet.url, service.hop
    before = await _pod_before(service, resume)
    loads = {url: service.load, **await hop.loads()}
    if before is not None and before not in loads:
        loads |= await hop.loads_of([before])
    ranked = order(loads, url, service.settings.placement)
    # Full or not: the place of the session before becomes free.
    if before is None or before not in loads or not loads[before].is_ready:
        return ranked
    return [before, *(pod for pod in ranked if pod != before)]


async def _pod_before(service: Service, resume: str | None) -> str | None:
    """Where the viewer comes from."""
    session_id = service.session_before(resume)
    try:
        return None if session_id is None else await service.fleet.pod_of(session_id)
    except OwnerGone:
        return None


async def _ask(service: Service, pod: str, asked: Asked) -> Response | None:
    """A pod's answer; None when it has no room after all, or is gone."""
    try:
        answer = await service.hop.send(pod, asked)
    except NoAnswer:
        return None
    service.hop.forget(pod)  # it has one more, or was full
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    if answer.is_success:
        service.metrics.offers_passed_on.inc()
    return passed_back(answer)
