"""The client's HTTP side: an offer for an answer, and the end of the session."""

import functools
import ipaddress
import logging
import ssl
from typing import Final
from urllib.parse import urlsplit

import httpx
from aiortc import RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from streamer.client.errors import ConnectError, ServiceFull, SessionOver, Unauthorised

TIMEOUT_S: Final = 10.0
ASK_S: Final = 1.0
"""For a word of the service about a session."""
LEAVE_S: Final = 2.0
"""For the goodbye: the service notices a viewer who has gone, too."""

_log = logging.getLogger(__name__)


class Signalling:
    """GET /config and POST /offer once, DELETE of what it made once."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.AsyncClient(
            base_url=self._url,
            timeout=TIMEOUT_S,
            trust_env=not is_loopback(url),
            verify=_tls(url.startswith("https:")),
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
        )
        self._location: str | None = None
        self._session = ""
        self.resumed: tuple[int, ...] = ()
        """Tracks that go on from the session before."""

    async def ice_servers(self) -> list[RTCIceServer]:
        """STUN and TURN servers that the service names, with a user of this client's own.

        Raises ConnectError or a kind of it.
        """
        config = await self._ask("GET", "/config")
        try:
            servers = [
                RTCIceServer(str(server["urls"]), server.get("username"), server.get("credential"))
                for server in config.json()["iceServers"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConnectError(f"{self._url} is no streaming service: no config came") from error
        return [server for server in servers if _is_usable(str(server.urls))]

    async def exchange(self, sdp: str, resume: str | None = None) -> str:
        """An offer's SDP -> the answer's. Raises ConnectError or a kind of it.

        With the token of the session before, its tracks go on.
        """
        offer = {"sdp": sdp, "type": "offer", "resume": resume}
        response = await self._ask("POST", "/offer", offer)
        try:
            answer = response.json()
            self._location, self._session = str(answer["location"]), str(answer["session"])
            self.resumed = tuple(int(track_id) for track_id in answer.get("resumed", ()))
            return str(answer["sdp"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectError(f"{self._url} is no streaming service: no SDP came") from error

    async def is_gone(self) -> bool:
        """Whether another offer is the only way on: whoever answers says so, or nobody listens."""
        try:
            answer = await self._http.get(f"/sessions/{self._session}", timeout=ASK_S)
        except httpx.ConnectError:
            return True
        except httpx.HTTPError:  # no answer is no news
            return False
        return answer.status_code == httpx.codes.NOT_FOUND

    async def end(self) -> None:
        """Ends the session at the service, if there is one, and the HTTP connection."""
        try:
            if self._location is not None:
                await self._http.delete(self._location, timeout=LEAVE_S)
        except httpx.HTTPError as error:  # the service is gone and its sessions with it
            _log.info("the session could not be ended: %s", error)
        finally:
            await self._http.aclose()

    async def _ask(self, method: str, path: str, body: object = None) -> httpx.Response:
        """An answer with 200. Raises ConnectError or a kind of it."""
        try:
            response = await self._http.request(method, path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectError(f"{self._url} does not answer ({error}): is it running?") from error
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        return response


@functools.cache
def _tls(is_used: bool) -> ssl.SSLContext:  # noqa: FBT001 (a key of the cache)
    """Read once: authorities take 0.1 s, for which a client that goes on has no time."""
    return httpx.create_ssl_context() if is_used else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _is_usable(url: str) -> bool:
    """Whether aiortc knows what to do with a STUN or TURN server's address."""
    try:
        parse_stun_turn_uri(url)
    except ValueError as error:
        _log.warning("the service names %s, which is left out: %s", url, error)
        return False
    return True


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine: a proxy would take it for its own."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # no URL, as its user will be told
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost" or host.endswith(".localhost")


def _refusal(response: httpx.Response) -> ConnectError:
    """The service's own words (RFC 9457), whatever stands in between."""
    try:
        problem = response.json()
    except ValueError:  # a proxy's page
        problem = None
    told = problem if isinstance(problem, dict) else {}
    detail = told.get("detail") or told.get("title")
    message = str(detail or f"{response.request.url} answered {response.status_code}")
    if told.get("code") == "time_up":
        return SessionOver(message)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return Unauthorised(message)
    if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
        return ConnectError(message)
    retry_after = response.headers.get("retry-after", "")
    return ServiceFull(message, float(retry_after) if retry_after.isdecimal() else None)
