"""A bad link in front of the real service: what passes is delayed, and some of it lost, both ways.

Where the kernel has no `tc netem`. A proxy for the service's HTTP puts a relay's address in place
of the service's into each answer, and takes the candidates out of each offer, so that media has no
other way; the relay knows nothing of WebRTC but what kind a datagram is (RFC 7983).
"""

import asyncio
import random
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from typing import Final

import httpx
import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

_CANDIDATE: Final = re.compile(
    r"a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host", re.IGNORECASE
)
_ANY_CANDIDATE: Final = re.compile(r"a=(candidate:[^\r\n\\]*|end-of-candidates)(\r\n|\\r\\n)")
_REPAIR: Final = re.compile(r"a=rtpmap:(\d+) rtx/", re.IGNORECASE)


_Address = tuple[str, int]


class Kind(Enum):
    """Of datagrams, by their first bytes (RFC 7983)."""

    STUN = "stun"
    DATA = "dtls"
    """Of the data channels, and the handshake."""
    VIDEO = "rtp"
    REPAIR = "rtx"
    REPORT = "rtcp"


class Link:
    """How bad it is: changed while things go on. The same seed loses at the same places."""

    def __init__(self, loss: float = 0.05, delay_s: float = 0.025, seed: int = 5) -> None:
        self.loss = loss
        """Share of all datagrams, each way."""
        self.delay_s = delay_s
        """Each way."""
        self.lost_kinds = set[Kind]()
        """Of which nothing arrives at all."""
        self.burst = 0
        """So many datagrams of the viewer's video, repaired or not, are lost next."""
        self.passed = Counter[Kind]()
        self.lost = Counter[Kind]()
        self.repairs = set[int]()
        """Payload types of retransmissions."""
        self._chance = {way: random.Random(f"{seed} {way}") for way in ("up", "down")}  # noqa: S311 (no secret)

    def loses(self, datagram: bytes, way: str) -> bool:
        """Whether this one does not arrive; counts it."""
        kind = self.kind(datagram)
        is_lost = self._chance[way].random() < self.loss or kind in self.lost_kinds
        if way == "up" and self.burst > 0 and kind in {Kind.VIDEO, Kind.REPAIR}:
            self.burst -= 1
            is_lost = True
        (self.lost if is_lost else self.passed)[kind] += 1
        return is_lost

    def kind(self, datagram: bytes) -> Kind:
        """What it is."""
        if datagram[0] < 4:
            return Kind.STUN
        if datagram[0] < 128:
            return Kind.DATA
        if 64 <= datagram[1] & 0x7F < 96:  # RFC 5761, section 4
            return Kind.REPORT
        return Kind.REPAIR if datagram[1] & 0x7F in self.repairs else Kind.VIDEO


class Relay:
    """One address of the service, seen through the link: a NAT with a port for each sender."""

    def __init__(self, link: Link, target: int) -> None:
        self._link, self._target = link, ("127.0.0.1", target)
        self._sockets: list[socket.socket] = []
        self._behind: dict[_Address, socket.socket] = {}
        self._front = self._open(self._take)
        self.port = self._front.getsockname()[1]

    def _open(self, take: Callable[[bytes, _Address], None]) -> socket.socket:
        made = socket.socket(type=socket.SOCK_DGRAM)
        made.setblocking(False)
        made.bind(("127.0.0.1", 0))
        asyncio.get_running_loop().add_reader(made, self._read, made, take)
        self._sockets.append(made)
        return made

    def _read(self, readable: socket.socket, take: Callable[[bytes, _Address], None]) -> None:
        try:
            while True:
                take(*readable.recvfrom(65_536))
        except (BlockingIOError, ConnectionRefusedError):  # all read; the service left a port
            return

    def _take(self, datagram: bytes, viewer: _Address) -> None:
        behind = self._behind.get(viewer)
        if behind is None:
            behind = self._behind[viewer] = self._open(partial(self._give_back, viewer))
        self._pass(datagram, "up", behind, self._target)

    def _give_back(self, viewer: _Address, datagram: bytes, _service: _Address) -> None:
        self._pass(datagram, "down", self._front, viewer)

    def _pass(self, datagram: bytes, way: str, sender: socket.socket, target: _Address) -> None:
        if not self._link.loses(datagram, way):
            loop = asyncio.get_running_loop()
            loop.call_later(self._link.delay_s, self._send, sender, datagram, target)

    def _send(self, sender: socket.socket, datagram: bytes, target: _Address) -> None:
        try:
            sender.sendto(datagram, target)
        except OSError:  # closed meanwhile, or nobody is there any more
            return

    def close(self) -> None:
        """Nothing passes any more."""
        for one in self._sockets:
            asyncio.get_running_loop().remove_reader(one)
            one.close()


class Proxy:
    """The service's HTTP, as an ASGI application."""

    def __init__(self, link: Link, http: httpx.AsyncClient) -> None:
        self._link, self._http = link, http
        self.relays: list[Relay] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        body = await Request(scope, receive).body()
        self._link.repairs |= {int(kind) for kind in _REPAIR.findall(body.decode("latin1"))}
        body = _ANY_CANDIDATE.sub("", body.decode("latin1")).encode("latin1")
        query = scope["query_string"].decode()
        kept = [(k, v) for k, v in scope["headers"] if k not in {b"host", b"content-length"}]
        answer = await self._http.request(
            scope["method"], f"{scope['path']}?{query}", content=body, headers=kept
        )
        left_out = {b"content-length", b"content-encoding", b"transfer-encoding"}
        headers = [(k.lower(), v) for k, v in answer.headers.raw if k.lower() not in left_out]
        start = {"type": "http.response.start", "status": answer.status_code, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": self._relayed(answer.content)})

    def _relayed(self, answer: bytes) -> bytes:
        text = answer.decode("latin1")
        ports = {int(port) for port in _CANDIDATE.findall(text)}
        if not ports:
            return answer
        for port in ports:
            self.relays.append(Relay(self._link, port))
            text = text.replace(f"127.0.0.1 {port} typ", f"127.0.0.1 {self.relays[-1].port} typ")
        ours = tuple(f" {relay.port} typ" for relay in self.relays)
        kept = lambda found: found[0] if any(one in found[0] for one in ours) else ""  # noqa: E731
        return _ANY_CANDIDATE.sub(kept, text).encode("latin1")


@asynccontextmanager
async def lossy(url: str, link: Link) -> AsyncIterator[str]:
    """The service's address behind the link."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as http:
        proxy = Proxy(link, http)
        config = uvicorn.Config(proxy, port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
            for relay in proxy.relays:
                relay.close()
