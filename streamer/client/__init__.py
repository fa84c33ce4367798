"""The Python client of the service. No torch."""

from streamer.client.client import (
    Ack,
    Client,
    ClientError,
    ClientStats,
    ConnectError,
    ConnectionLost,
    Masks,
    Point,
    Refused,
    ReturnedFrame,
    SentFrame,
    ServiceFull,
    Unauthorised,
)

__all__ = [
    "Ack",
    "Client",
    "ClientError",
    "ClientStats",
    "ConnectError",
    "ConnectionLost",
    "Masks",
    "Point",
    "Refused",
    "ReturnedFrame",
    "SentFrame",
    "ServiceFull",
    "Unauthorised",
]
