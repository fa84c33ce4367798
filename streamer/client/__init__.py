"""The Python client of the service. No torch."""

from sam2_rt.tracking.prompt import Point
from streamer.client.arrivals import ClientStats, Masks, ReturnedFrame
from streamer.client.client import Client
from streamer.client.errors import (
    ClientError,
    ConnectError,
    ConnectionLost,
    Refused,
    ServiceFull,
    SessionEnded,
    SessionOver,
    Unauthorised,
)
from streamer.client.track import SentFrame
from streamer.masks.mask_frame import ObjectState
from streamer.protocol import AckMessage as Ack

__all__ = [
    "Ack",
    "Client",
    "ClientError",
    "ClientStats",
    "ConnectError",
    "ConnectionLost",
    "Masks",
    "ObjectState",
    "Point",
    "Refused",
    "ReturnedFrame",
    "SentFrame",
    "ServiceFull",
    "SessionEnded",
    "SessionOver",
    "Unauthorised",
]
