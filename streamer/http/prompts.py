"""POST /sessions/{id}/prompts: prompts, detections and removals of a machine."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sam2_rt.tracking.prompt import Undo
from streamer.http.described import body_of, refused
from streamer.http.problem import Problem
from streamer.http.refusal import read_body, require_token, require_type, service_of
from streamer.protocol import (
    MAX_PROMPTS_WAITING,
    AckMessage,
    AutoMessage,
    ErrorMessage,
    PromptMessage,
    ProtocolError,
    RemoveMessage,
    UndoMessage,
)
from streamer.session.conversation import Conversation
from streamer.session.detection import DetectionMessage
from streamer.session.prompt_queue import Answers as _Answers
from streamer.session.prompt_queue import Asked, GivenUp, Reply
from streamer.session.stay import Stay, UnknownSession

_STEP_S: Final = 5.0
"""For the steps that carry the messages out; a session without video makes none."""
_SEARCH_S: Final = 30.0
"""The same with an `auto`, whose grid takes a second on two cores, and more where others step."""
_RETRY_S: Final = 1

_Said = PromptMessage | DetectionMessage | UndoMessage | RemoveMessage
_Message = Annotated[_Said | AutoMessage, Field(discriminator="type")]


class Prompts(BaseModel):
    """Body: messages as on the control channel (`prompt`, `undo`, `remove`, one `auto`), and
    `detection`.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
    messages: Annotated[
        tuple[_Message, ...], Field(min_length=1, max_length=MAX_PROMPTS_WAITING, strict=False)
    ]

    @field_validator("messages")
    @classmethod
    def _search_once(cls, messages: tuple[_Said | AutoMessage, ...]) -> object:
        if sum(isinstance(message, AutoMessage) for message in messages) > 1:
            raise ValueError("more than one `auto`")
        return messages


class Answers(BaseModel):
    """What became of each message, in the order of the messages.

    An `auto` has an ack of each track that began, all with its seq, or one error.
    """

    answers: list[AckMessage | ErrorMessage]


def add_prompts(app: FastAPI) -> None:
    """Adds the route."""
    guarded = [Depends(require_token)]
    app.post(
        "/sessions/{session_id}/prompts",
        dependencies=guarded,
        responses=refused(400, 401, 404, 413, 415, 422, 429, 504),
        openapi_extra=body_of(Prompts),
    )(post_prompts)


async def post_prompts(request: Request, session_id: str) -> Answers:
    """Prompts and removals; answered when steps have carried them out or refused them."""
    service = service_of(request)
    with _refusals():
        stay = service.stay(session_id)
        require_type(request, "application/json")
        said = Prompts.model_validate_json(await read_body(request))
        return Answers(answers=await _carry_out(stay, said.messages))


async def _carry_out(
    stay: Stay, messages: Sequence[_Said | AutoMessage]
) -> list[AckMessage | ErrorMessage]:
    """All of them. Raises ProtocolError, TimeoutError, or UnknownSession when the session ends."""
    conversation = stay.session.conversation
    answers: list[_Answers] = [asyncio.get_running_loop().create_future() for _ in messages]
    pairs = list(zip(messages, answers, strict=True))
    wishes = [(m, answer) for m, answer in pairs if isinstance(m, AutoMessage)]
    items = [
        _item(m, answer, conversation) for m, answer in pairs if not isinstance(m, AutoMessage)
    ]
    if items:
        conversation.put_all(items)
    end = asyncio.create_task(stay.has_ended.wait())
    all_done = asyncio.gather(*answers)
    try:
        for message, answer in wishes:
            conversation.wish(message, answer)
        async with asyncio.timeout(_SEARCH_S if wishes else _STEP_S):
            await asyncio.wait((all_done, end), return_when=asyncio.FIRST_COMPLETED)
        if not all_done.done():
            raise UnknownSession(stay.session.session_id)
        return [answer for part in all_done.result() for answer in part]
    finally:
        conversation.withdraw(items)
        end.cancel()
        all_done.cancel()  # a search that goes on finds that nobody waits


def _settling(answer: _Answers) -> Reply:
    """A step may still answer who does not wait any more."""
    return lambda said: None if answer.done() else answer.set_result([said])


def _item(message: _Said, answer: _Answers, conversation: Conversation) -> Asked | GivenUp:
    """Raises ProtocolError `bad_prompt`."""
    reply = _settling(answer)
    if isinstance(message, RemoveMessage):
        return GivenUp(message.seq, message.track_id, reply)
    if isinstance(message, UndoMessage):
        return Asked(message.seq, Undo(message.track_id), None, reply)
    if isinstance(message, DetectionMessage):
        track_id = message.track_id or conversation.name_track()
        return Asked(message.seq, message.to_prompt(track_id), message.rtp_timestamp, reply)
    return Asked(message.seq, message.to_prompt(), message.rtp_timestamp, reply)


@contextmanager
def _refusals() -> Iterator[None]:
    """What a request fails by as a whole becomes a Problem; nothing of it was carried out."""
    try:
        yield
    except UnknownSession as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Problem(HTTPStatus.BAD_REQUEST, f"{place or 'body'}: {first['msg']}") from error
    except ProtocolError as error:
        words = f"{error.code}: {error}" + f" (seq {error.seq})" * (error.seq is not None)
        if error.code in {"busy", "too_many_prompts"}:
            headers = {"Retry-After": str(_RETRY_S)}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, words, headers, error.code) from error
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, words, code=error.code) from error
    except TimeoutError as error:
        words = "no frame took all of it up in time; what was left is withdrawn"
        raise Problem(HTTPStatus.GATEWAY_TIMEOUT, words) from error
