"""Place: what a source's URL names, once it is known that it may be read."""

import asyncio
import ipaddress
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from streamer.sources.source_settings import SourceSettings

MAX_URL_CHARACTERS: Final = 2048
_RESOLVE_S: Final = 5.0
_DEFAULT_PORT: Final = {"rtsp": 554, "rtsps": 322}
"""RFC 2326, section 9.1; RFC 7826, section 22.6 for TLS."""
_MAX_SIDE: Final = 16_384

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Code = Literal["bad_url", "not_allowed", "not_found"]


class PlaceRefused(Exception):
    """A URL that is not read. The message quotes no more of it than host, port or scheme."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Camera:
    """An RTSP camera (RFC 2326), at an address that was checked."""

    address: str
    port: int
    host: str
    """As the URL names it; of the certificate with TLS."""
    is_tls: bool
    login: str = field(repr=False)
    """"user:password@" or nothing, as the URL has it."""
    target: str = field(repr=False)
    """Path and query; may hold a secret too."""


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A file in the folder of the settings."""

    path: Path


@dataclass(frozen=True, slots=True)
class Device:
    """A V4L2 device; None: as the driver has it."""

    path: str
    width: int | None = None
    height: int | None = None
    fps: int | None = None


Place = Camera | VideoFile | Device


async def find(url: str, settings: SourceSettings) -> Place:
    """Raises PlaceRefused. Hosts are resolved here, once, and what was resolved is used."""
    parts = _split(url)
    if parts.scheme in _DEFAULT_PORT:
        return await _camera(parts, settings)
    if parts.scheme == "file":
        # The disk may be slow, or a network's.
        return await asyncio.to_thread(_file, parts, settings)
    if parts.scheme == "v4l2":
        return _device(parts, settings)
    words = f"{parts.scheme or 'no scheme'!r}: sources are rtsp, rtsps, file or v4l2 URLs"
    raise PlaceRefused("not_allowed", words)


def is_of_the_network(url: str) -> bool:
    """Whether it names what any machine can reach, and not a file or a device of this one."""
    return url.partition(":")[0].lower() in _DEFAULT_PORT


def shown(url: str) -> str:
    """The URL without what may be secret: user, password, query; "" for what cannot be read."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an address in brackets that is none
        return ""
    hidden = "?..." if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{hidden}"


def _split(url: str) -> SplitResult:
    # urlsplit leaves some of these out without a word.
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable():
        words = f"a URL is at most {MAX_URL_CHARACTERS} printable ASCII characters"
        raise PlaceRefused("bad_url", words)
    if " " in url or "\\" in url or "#" in url:
        raise PlaceRefused("bad_url", "no spaces, backslashes or fragments in a URL")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise PlaceRefused("bad_url", "the URL's host or port cannot be read") from error
    return parts


async def _camera(parts: SplitResult, settings: SourceSettings) -> Camera:
    host = (parts.hostname or "").rstrip(".")
    port = _DEFAULT_PORT[parts.scheme] if parts.port is None else parts.port
    if not host or "%" in host:
        raise PlaceRefused("bad_url", "the URL names no host")
    addresses = await _addresses(host, settings)
    if port not in settings.source_ports:
        raise PlaceRefused("not_allowed", f"port {port} is not one of STREAMER_SOURCE_PORTS")
    login, at, _ = parts.netloc.rpartition("@")
    query = f"?{parts.query}" if parts.query else ""
    return Camera(
        str(addresses[0]),
        port,
        host,
        is_tls=parts.scheme == "rtsps",
        login=login + at,
        target=(parts.path or "/") + query,
    )


async def _addresses(host: str, settings: SourceSettings) -> list[Address]:
    """Of an allowed host. Who may not ask learns nothing of names: all are refused alike."""
    networks = [ipaddress.ip_network(h) for h in settings.source_hosts if _is_network(h)]
    is_named = host in settings.source_hosts
    refused = PlaceRefused("not_allowed", f"{host} is not one of STREAMER_SOURCE_HOSTS")
    if not is_named and not networks:
        raise refused
    try:
        async with asyncio.timeout(_RESOLVE_S):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, None, type=socket.SOCK_STREAM
            )
    except (OSError, TimeoutError, UnicodeError) as error:
        if not is_named:
            raise refused from error
        raise PlaceRefused("not_found", f"{host} has no address now") from error
    addresses = [_plain(ipaddress.ip_address(row[4][0])) for row in found]
    for address in addresses:  # all of them: a name must not have one foot outside
        is_listed = any(address in network for network in networks)
        if not is_listed and not (is_named and _is_ordinary(address)):
            raise refused
    return addresses


def _is_network(host: str) -> bool:
    """An address is a network of one."""
    try:
        ipaddress.ip_network(host)
    except ValueError:
        return False
    return True


def _plain(address: Address) -> Address:
    """Of an IPv4 address in IPv6's clothes, the IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_ordinary(address: Address) -> bool:
    """Where a camera may be: a private network or the internet. Not this machine, and not
    169.254.169.254, where clouds keep their credentials.
    """
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def _file(parts: SplitResult, settings: SourceSettings) -> VideoFile:
    folder = settings.source_folder
    if folder is None:
        raise PlaceRefused(
            "not_allowed", "files are off: STREAMER_SOURCE_FOLDER names their folder"
        )
    if parts.netloc not in {"", "localhost"} or parts.query:
        raise PlaceRefused("bad_url", "a file is named as file:///folder/clip.mp4")
    outside = PlaceRefused("not_allowed", "files are read from STREAMER_SOURCE_FOLDER only")
    path = Path(unquote(parts.path))
    if "\0" in str(path):
        raise PlaceRefused("bad_url", "no zeros in a path")
    root = folder.resolve()
    # Links and dots are followed first: what counts is where the file is. One that is not there is
    # not told from one outside unless its name lies in the folder.
    real = path.resolve()
    if not real.is_relative_to(root):
        raise outside
    try:
        is_file = stat.S_ISREG(real.stat().st_mode)  # a pipe would wait for its writer for ever
    except OSError as error:
        raise PlaceRefused("not_found", "there is no such file in the folder") from error
    if not is_file:
        raise PlaceRefused("not_allowed", "this is no regular file")
    return VideoFile(real)


def _device(parts: SplitResult, settings: SourceSettings) -> Device:
    if parts.netloc or parts.path not in settings.source_devices:
        raise PlaceRefused("not_allowed", "the device is not one of STREAMER_SOURCE_DEVICES")
    wishes = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not wishes.keys() <= {"width", "height", "fps"}:
        raise PlaceRefused("bad_url", "a device takes width, height and fps")
    numbers = {name: _number(name, text) for name, text in wishes.items()}
    if ("width" in numbers) != ("height" in numbers):
        raise PlaceRefused("bad_url", "width and height come together")
    return Device(parts.path, numbers.get("width"), numbers.get("height"), numbers.get("fps"))


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:6]) <= _MAX_SIDE:
        raise PlaceRefused("bad_url", f"{name} is a number from 1 to {_MAX_SIDE}")
    return int(text[:6])
