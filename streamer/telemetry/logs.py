"""Logs: one line an event, with the session it is about; text for people, JSON for collectors.

Nothing that a viewer or the settings keep secret may stand in a message: tests look for it.
"""

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal

from rich.console import Console
from rich.logging import RichHandler

Form = Literal["text", "json"]
Fact = str | int | float | None

session_id: Final = ContextVar[str | None]("session_id", default=None)
"""Of the session that the running task works for; the tasks that it begins inherit it."""

_FACTS: Final = "facts"
# They tell of each candidate pair or request, and what requests bear.
_CHATTY: Final = ("aioice", "aiortc", "uvicorn", "httpx", "httpcore", "websockets")


def start(level: str, form: Form, console: Console) -> logging.Handler:
    """Sends the logs of the process to the console; returns what does."""
    handler: logging.Handler
    if form == "json":
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(JsonFormatter())
    else:
        handler = RichHandler(console=console, show_path=False)
        handler.setFormatter(TextFormatter("%(name)s: %(message)s"))
    handler.addFilter(_add_session)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return handler


def facts(**values: Fact) -> dict[str, dict[str, Fact]]:
    """For `extra` of a call of logging: members of the JSON line, beside its message."""
    return {_FACTS: values}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; session, facts, error where known."""

    def format(self, record: logging.LogRecord) -> str:
        """A line of ASCII without its end."""
        members: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        session = getattr(record, "session", None)
        if session is not None:
            members["session"] = session
        members |= getattr(record, _FACTS, {})
        if record.exc_info:
            members["error"] = self.formatException(record.exc_info)
        return json.dumps(members, default=str)


class TextFormatter(logging.Formatter):
    """The message, and the session it is about unless it names it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """One line or more."""
        text = super().formatMessage(record)
        session = getattr(record, "session", None)
        return text if session is None or session in text else f"{text} (session {session})"


def _add_session(record: logging.LogRecord) -> bool:
    record.session = session_id.get()
    return True
