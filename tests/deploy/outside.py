"""A viewer outside the container, who may have nothing but a relay."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
import httpx
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCIceServer
from aiortc.rtcconfiguration import RTCIceTransportPolicy

import streamer.client.link
from streamer.client import Client, Point


def machine_s_address() -> str:
    """One that is not loopback: coturn relays to none."""
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return asking.getsockname()[0]


async def frames() -> AsyncIterator[av.VideoFrame]:
    """A bright disc on a dark ground."""
    y, x = np.mgrid[:192, :320]
    disc = (x - 160) ** 2 + (y - 96) ** 2 < 50**2
    picture = np.where(disc[..., None], (230, 60, 40), (20, 30, 40)).astype(np.uint8)
    for index in range(10_000):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, 15)
        yield frame
        await asyncio.sleep(1 / 15)


async def get_a_mask(url: str) -> set[str]:
    """Clicks the disc; once a mask that is not empty came, the kinds of the client's candidates."""
    async with asyncio.timeout(120), Client(url, frames()) as client:
        await client.prompt(1, points=[Point(0.5, 0.5)])
        async for masks in client.masks():
            if any(track.mask.any() for track in masks.frame.objects):
                gatherer = client._link._peer.sctp.transport.transport.iceGatherer
                return {candidate.type for candidate in gatherer.getLocalCandidates()}
    raise AssertionError("the service ended the session")


def named_server(url: str) -> dict[str, str]:
    """The one of the service's settings, with the user that it minted for us."""
    (server,) = httpx.get(f"{url}/config").json()["iceServers"]
    return server


@contextmanager
def relay_only() -> Iterator[None]:
    """Clients that are made meanwhile have nothing but the TURN servers that the service names."""
    plain = streamer.client.link.RTCConfiguration

    def relayed(servers: list[RTCIceServer], **options: object) -> RTCConfiguration:
        assert servers, "the service names none"
        return plain(servers, iceTransportPolicy=RTCIceTransportPolicy.RELAY, **options)

    streamer.client.link.RTCConfiguration = relayed
    try:
        yield
    finally:
        streamer.client.link.RTCConfiguration = plain
