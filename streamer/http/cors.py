"""Cross-origin requests: which pages' scripts may ask, and what they may read of the answer."""

import re
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.rtc import fragment

METHODS: Final = ("DELETE", "GET", "OPTIONS", "PATCH", "POST")
ASKED: Final = ("Authorization", "If-Match")
"""Request headers beyond those that any page may send."""
TOLD: Final = ("Accept-Patch", "ETag", "Link", "Location", "Retry-After", "WWW-Authenticate")
"""Response headers that a script may read."""

_ACCEPTED: Final = (
    (re.compile(r"/whip"), "Accept-Post", "application/sdp"),
    (re.compile(r"/whip/[^/]+"), "Accept-Patch", fragment.CONTENT_TYPE),
    (re.compile(r"/whep/[^/]+"), "Accept-Post", "application/sdp"),
    (re.compile(r"/whep/[^/]+/[^/]+"), "Accept-Patch", fragment.CONTENT_TYPE),
)


class Cors(CORSMiddleware):
    """As Starlette's; and any answer to OPTIONS says what WHIP and WHEP take (RFC 9725, 4.2)."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=ASKED,
            expose_headers=TOLD,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        accepted: dict[str, str] = {}
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            found = (row for row in _ACCEPTED if row[0].fullmatch(scope["path"]))
            accepted = {name: value for _, name, value in found}

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(accepted)
            await send(message)

        await super().__call__(scope, receive, send_more if accepted else send)
