"""The client's end of the `control` channel: requests and their answers, events, numbers."""

import asyncio
import itertools
import json
import logging
from collections.abc import Callable
from typing import Any, Final

from streamer import protocol
from streamer.client.errors import ConnectionLost, Refused
from streamer.protocol import AckMessage, EventMessage, HelloMessage, StatsMessage
from streamer.session.handover import MigrateMessage, ResumeMessage
from streamer.session.inbox import Inbox

MAX_PENDING: Final = 64
"""Requests without an answer; one more is refused as `busy`."""

_log = logging.getLogger(__name__)


class Control:
    """Gives each request a number and settles it when the service answers that number."""

    def __init__(self, send: Callable[[str], None], events: Inbox[EventMessage]) -> None:
        self._send = send
        self._events = events
        """Where the tracks' changes go; another connection may go on with it."""
        self._seq = itertools.count()
        # seq -> the answer to come, at most MAX_PENDING.
        self._pending: dict[int, asyncio.Future[AckMessage]] = {}
        self._lost: ConnectionLost | None = None
        self.hello: asyncio.Future[HelloMessage] = asyncio.get_running_loop().create_future()
        self.migrate: asyncio.Future[MigrateMessage] = asyncio.get_running_loop().create_future()
        """Settled when the service asks its client to go elsewhere."""
        self.on_ended: Callable[[str], None] = lambda _reason: None
        """Told why the service ends the session for good."""
        self.resume: str | None = None
        """The newest token."""
        self.stats: StatsMessage | None = None
        """The newest."""
        self.unread = 0
        """Messages of a kind that this client does not know."""

    def ask(self, **message: Any) -> asyncio.Future[AckMessage]:
        """Sends now; the future raises Refused or ConnectionLost in place of an answer."""
        future: asyncio.Future[AckMessage] = asyncio.get_running_loop().create_future()
        if self._lost is not None:
            future.set_exception(self._lost)
        elif len(self._pending) >= MAX_PENDING:
            future.set_exception(Refused("busy", f"{MAX_PENDING} requests wait for an answer"))
        else:
            seq = next(self._seq)
            text = json.dumps({**message, "seq": seq})  # ASCII: a character is a byte
            if len(text) > (most := self._max_bytes()):
                future.set_exception(Refused("too_large", f"{len(text)} bytes, at most {most}"))
            else:
                self._pending[seq] = future
                self._send(text)
        return future

    def _max_bytes(self) -> int:
        """Of one message: as the service said, or by the protocol until it has."""
        if not self.hello.done() or self.hello.exception() is not None:
            return protocol.MAX_MESSAGE_BYTES
        return self.hello.result().limits.max_message_bytes

    def hear(self, text: str | bytes) -> None:
        """One message of the service."""
        try:
            message = protocol.parse_server(text)
        except protocol.ProtocolError as error:  # a newer service may say more than we know
            self.unread += 1
            _log.info("a message that this client cannot read: %s", error)
            return
        match message:
            case protocol.HelloMessage() if not self.hello.done():
                self.hello.set_result(message)
            case protocol.AckMessage(seq=int(seq)):
                self._settle(seq, message)
            case protocol.ErrorMessage():
                self._hear_error(message)
            case protocol.EventMessage():
                self._events.put(message)
            case protocol.StatsMessage():
                self.stats = message
            case ResumeMessage():
                self.resume = message.token
            case MigrateMessage() if not self.migrate.done():
                self.migrate.set_result(message)
            case _:
                self.unread += 1

    def _hear_error(self, error: protocol.ErrorMessage) -> None:
        if error.seq is not None:
            self._settle(error.seq, Refused(error.code, error.message))
        elif error.code == "ended":
            self.on_ended(error.message)
        else:
            _log.warning("the service says: %s: %s", error.code, error.message)

    def close(self, error: ConnectionLost | None) -> None:
        """Nothing more comes: settles all that waits."""
        self._lost = self._lost or error or ConnectionLost("the client is closed")
        for future in self._pending.values():
            if not future.done():
                future.set_exception(self._lost)
        self._pending.clear()
        if not self.hello.done():
            self.hello.set_exception(self._lost)
            self.hello.exception()  # nobody may be waiting for it any more

    def _settle(self, seq: int, outcome: AckMessage | Refused) -> None:
        future = self._pending.pop(seq, None)
        if future is None or future.done():  # its asker gave up
            return
        if isinstance(outcome, Refused):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)


def log_refusal(answer: asyncio.Future[AckMessage]) -> None:
    """For a request that nobody waits for: the callback of its future."""
    if not answer.cancelled() and (error := answer.exception()) is not None:
        _log.warning("the output of before could not be configured again: %s", error)
