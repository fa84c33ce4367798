"""Problem: an HTTP error as RFC 9457 writes it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

CONTENT_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """A request that is refused; the answer's status, detail and headers."""

    def __init__(
        self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})

    def body(self) -> dict[str, str | int]:
        """The members of the problem; `about:blank` says that the status tells its kind."""
        return {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": str(self),
        }
