"""KubeApi: what a pod asks of the Kubernetes API, as JSON over HTTPS with its own token."""

import os
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts `token`, `ca.crt` and `namespace`, and renews them."""
MERGE_PATCH: Final = "application/merge-patch+json"
"""RFC 7386."""

_ANSWER_S: Final = 10.0
_WORDS: Final = 300
"""Characters of a refusal's body that are told."""

Object = Mapping[str, Any]
"""JSON of one object of the API."""


class ApiError(Exception):
    """The API server said no, or could not be asked."""


class NotFound(ApiError):
    """404: there is no such object."""


class Conflict(ApiError):
    """409: somebody else changed or made the object first."""


class Forbidden(ApiError):
    """401 or 403: the token is not good, or its roles do not say so."""


class Throttled(ApiError):
    """429: too many requests, ours or everybody's."""

    def __init__(self, words: str, retry_after_s: float | None) -> None:
        super().__init__(words)
        self.retry_after_s = retry_after_s
        """None: the server did not say."""


_ERRORS: Final = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}


@dataclass(frozen=True, slots=True)
class InCluster:
    """Where the API server is and who this pod is there."""

    url: str
    folder: Path
    """With the files of SERVICE_ACCOUNT."""

    @classmethod
    def from_environment(cls) -> Self:
        """As the kubelet tells each container. Raises ApiError outside a cluster."""
        host = os.environ.get("KUBERNETES_SERVICE_HOST")
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if host is None or not (SERVICE_ACCOUNT / "token").exists():
            raise ApiError(
                "no KUBERNETES_SERVICE_HOST or no service account token: deletion costs are "
                "written by a pod, with a token mounted"
            )
        named = f"[{host}]" if ":" in host else host
        return cls(f"https://{named}:{port}", SERVICE_ACCOUNT)

    @property
    def namespace(self) -> str:
        """Of this pod."""
        return (self.folder / "namespace").read_text().strip()

    @property
    def token(self) -> str:
        """As it is now: the kubelet renews it within the hour."""
        return (self.folder / "token").read_text().strip()


class KubeApi:
    """Open between `async with`. Every method raises ApiError."""

    def __init__(self, where: InCluster) -> None:
        self._where = where
        self._until_exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            self.namespace = self._where.namespace
            context = ssl.create_default_context(cafile=str(self._where.folder / "ca.crt"))
        except OSError as error:  # a file is missing, or is no certificate (ssl.SSLError)
            raise ApiError(f"{self._where.folder}: {error}") from error
        http = httpx.AsyncClient(
            base_url=self._where.url, verify=context, timeout=_ANSWER_S, trust_env=False
        )
        self._http = await self._until_exit.enter_async_context(http)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._until_exit.aclose()

    async def get(self, path: str, **query: str) -> Object:
        """An object, or a list of them."""
        return await self._ask("GET", path, params=query)

    async def create(self, path: str, made: Object) -> Object:
        """path: of the list. Conflict: there is one of that name."""
        return await self._ask("POST", path, json=made)

    async def replace(self, path: str, changed: Object) -> Object:
        """With the resourceVersion that was read. Conflict: it is not that any more."""
        return await self._ask("PUT", path, json=changed)

    async def merge(self, path: str, change: Object) -> Object:
        """Only what is named is changed (RFC 7386)."""
        headers = {"content-type": MERGE_PATCH}
        return await self._ask("PATCH", path, json=change, headers=headers)

    async def _ask(self, method: str, path: str, **request: Any) -> Object:
        headers = {**request.pop("headers", {})}
        try:
            headers["authorization"] = f"Bearer {self._where.token}"
            answer = await self._http.request(method, path, headers=headers, **request)
        except (httpx.HTTPError, OSError) as error:  # no answer; no token
            raise ApiError(f"{method} {path}: {error!r}") from error
        return _read(method, path, answer)


def _read(method: str, path: str, answer: httpx.Response) -> Object:
    words = f"{method} {path}: {answer.status_code} {answer.text[:_WORDS]}"
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise Throttled(words, _seconds(answer.headers.get("retry-after")))
    if not answer.is_success:
        raise _ERRORS.get(answer.status_code, ApiError)(words)
    try:
        found = answer.json()
    except ValueError as error:
        raise ApiError(f"{method} {path}: no JSON") from error
    if not isinstance(found, dict):
        raise ApiError(f"{method} {path}: no object")
    return found


def _seconds(text: str | None) -> float | None:
    """Of a Retry-After in seconds; the API server sends no dates."""
    return float(text) if text is not None and text.isdecimal() else None
