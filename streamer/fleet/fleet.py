"""Fleet: the pods that serve together, as one of them sees it. A pod is one process of the service.

Only pods that the settings name, themselves or by DNS, are ever asked: a session's id chooses among
them by a signed tag and names no address.
"""

import asyncio
import logging
import secrets
import socket
import ssl
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from streamer.config import Settings, url_of
from streamer.fleet.peer_key import PeerKey

MAX_PEERS: Final = 512
"""That are known; more addresses of one name are left out, with a warning."""
RESOLVE_S: Final = 5.0
"""Between two looks at the name."""

_ANSWER_S: Final = 2.0
"""For DNS to answer; after that the addresses of before stand."""
_LOOK_AGAIN_S: Final = 1.0
"""At least, between two looks for a pod that is not known yet."""

log = logging.getLogger(__name__)


class OwnerGone(LookupError):
    """The pod that had a session is no more."""

    def __init__(self) -> None:
        super().__init__("the session's pod is gone: offer anew, with the resume token")


class Fleet:
    """Open between `async with`; without peers in the settings a pod is alone."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.peer_url
        """Of this pod, as the others call it."""
        secret = settings.peer_secret
        is_alone = secret is None or not settings.has_peers
        self._key = None if secret is None or is_alone else PeerKey(secret.get_secret_value())
        self._service = settings.peer_service
        self._urls: dict[str, str] = {}
        """Of the other pods by tag; at most MAX_PEERS."""
        self._looked_at_s = 0.0
        self._watch: asyncio.Task[None] | None = None
        self._know(settings.peers)

    async def __aenter__(self) -> Self:
        if self._key is not None and self._service is not None:
            self._watch = asyncio.create_task(self._keep_looking())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    @property
    def is_alone(self) -> bool:
        """No others are to be asked, now or later."""
        return self._key is None

    def tls(self) -> ssl.SSLContext:
        """For requests to peers. Reading authorities takes 0.1 s; without them none is trusted."""
        if any(url.startswith("https:") for url in self.peers):
            return ssl.create_default_context()
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    @property
    def peers(self) -> tuple[str, ...]:
        """URLs of the other pods that are known now."""
        return tuple(self._urls.values())

    def name_session(self) -> str:
        """A new session's id, by which any pod of the fleet finds this one."""
        return secrets.token_urlsafe(12) if self._key is None else self._key.name_session(self.url)

    async def pod_of(self, session_id: str) -> str | None:
        """The URL of the pod that made the id, maybe this one; None: no pod of the fleet did.

        Raises OwnerGone for a pod that is not known any more.
        """
        tag = None if self._key is None else self._key.owner_of(session_id)
        if self._key is None or tag is None:
            return None
        if tag == self._key.tag(self.url):
            return self.url
        if tag not in self._urls:
            await self._look_again()
        if tag not in self._urls:
            raise OwnerGone
        return self._urls[tag]

    def sign(self, method: str, target: str) -> str:
        """The value of peer_key.HEADER in a request to a peer; target: path and query."""
        assert self._key is not None, "nobody is asked by a pod that is alone"
        return self._key.sign(method, target, time.time())

    def is_from_peer(self, header: str | None, method: str, target: str) -> bool:
        """Whether another pod asks, which answers for the request and may not be asked back."""
        if self._key is None:
            return False
        return self._key.is_signed(header, method, target, time.time())

    async def _keep_looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(RESOLVE_S)

    async def _look_again(self) -> None:
        """For a pod that has begun since the last look."""
        if time.monotonic() - self._looked_at_s >= _LOOK_AGAIN_S:
            await self._look()

    async def _look(self) -> None:
        """Who serves under the name; without an answer whoever was known stays."""
        if self._service is None:
            return
        self._looked_at_s = time.monotonic()
        host, _, port = self._service.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        except (OSError, TimeoutError) as error:
            log.warning("%s has no address now: %s", host, error or "no answer")
            return
        self._know(url_of(str(address[0]), int(port)) for *_, address in found)

    def _know(self, urls: Iterable[str]) -> None:
        if self._key is None:
            return
        others = sorted({url.rstrip("/") for url in urls} - {self.url})
        if len(others) > MAX_PEERS:
            log.warning("%s peers, of which %s are known", len(others), MAX_PEERS)
        self._urls = {self._key.tag(url): url for url in others[:MAX_PEERS]}
