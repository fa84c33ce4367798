"""GET /sessions/{id}/masks: a session's masks over a WebSocket, for who speaks no WebRTC."""

from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, WebSocket

from streamer.http.problem import Problem
from streamer.http.sockets import admit_socket, close_socket, refuse_socket, send_all
from streamer.masks.mask_reader import MaskReader
from streamer.session.stay import Stay, UnknownSession
from streamer.until_first import until_first

FORMS: Final = ("binary", "coco")
"""As the control channel's `masks` message names them; `?form=`, the first if there is none."""


def add_masks(app: FastAPI) -> None:
    """Adds the route."""
    app.websocket("/sessions/{session_id}/masks")(send_masks)


async def send_masks(socket: WebSocket, session_id: str) -> None:
    """A message for each frame that was stepped, or the newest where the reader is slower."""
    try:
        stay, form = _admit(socket, session_id)
        with stay.session.masks.read(is_text=form == "coco") as reader:
            await socket.accept()
            await _serve(socket, stay, reader)
    except Problem as refused:
        await refuse_socket(socket, refused)


async def _serve(socket: WebSocket, stay: Stay, reader: MaskReader) -> None:
    """Until the session or the reader has gone."""
    sending, *_ = await until_first(
        send_all(socket, reader.read), until_left(socket), stay.has_ended.wait()
    )
    if not sending.cancelled():
        sending.result()
    if stay.has_ended.is_set():
        await close_socket(socket, "the session has ended")


async def until_left(socket: WebSocket) -> None:
    """Nothing is expected of the reader but to leave; what is said is not heard."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _admit(socket: WebSocket, session_id: str) -> tuple[Stay, str]:
    """The session and the form of its masks. Raises Problem."""
    service, _ = admit_socket(socket)
    try:
        stay = service.stay(session_id)
    except UnknownSession as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    form = socket.query_params.get("form", FORMS[0])
    if form not in FORMS:
        raise Problem(HTTPStatus.BAD_REQUEST, f"form is one of {', '.join(FORMS)}")
    settings = service.settings
    if stay.session.masks.num_readers >= settings.max_watchers:
        headers = {"Retry-After": str(settings.retry_after_s)}
        words = f"{settings.max_watchers} read the masks already"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, words, headers)
    return stay, form
