"""Problem: an HTTP error as RFC 9457 writes it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

CONTENT_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """A request that is refused; the answer's status, detail, headers and, for programs, code."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.code = code

    def body(self) -> dict[str, str | int]:
        """The members of the problem; `about:blank` says that the status tells its kind.

        `code`, a member of our own (section 3.2), tells apart what has one status.
        """
        members: dict[str, str | int] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": str(self),
        }
        return members if self.code is None else {**members, "code": self.code}
