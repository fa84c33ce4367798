"""GET /sessions/{id}: whether a session is open, for a client that hears nothing any more."""

from http import HTTPStatus

from fastapi import Depends, FastAPI, Request, Response

from streamer.http.peer import gone_problem
from streamer.http.refusal import require_token, service_of
from streamer.session.stay import UnknownSession


def add_session(app: FastAPI) -> None:
    """Adds the route."""
    guarded = [Depends(require_token)]
    app.get("/sessions/{session_id}", status_code=204, dependencies=guarded)(get_session)


async def get_session(request: Request, session_id: str) -> Response:
    """204, or 404, which says to offer anew: of any pod, also when the session's own is gone."""
    try:
        service_of(request).stay(session_id)
    except UnknownSession as error:
        raise gone_problem(error) from error
    return Response(status_code=HTTPStatus.NO_CONTENT)
