"""What can go wrong for a client, each with words for its user."""


class ClientError(Exception):
    """All of the client's own errors."""


class ConnectError(ClientError):
    """No session came about: the service does not answer, refuses, or no media path was found."""


class Unauthorised(ConnectError):
    """The service asks for another token."""


class ServiceFull(ConnectError):
    """The service takes no further session now."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SessionOver(ConnectError):
    """What was to go on is over; the service would begin another session."""


class ConnectionLost(ClientError):
    """The session ended without close(); nothing more comes."""


class SessionEnded(ConnectionLost):
    """The service ended it by one of its limits: no frame for long, or its time is over."""


class Refused(ClientError):
    """The service did not carry out a request; the session goes on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
