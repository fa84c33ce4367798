"""Settings of sources: which cameras, files and devices the service may read. None by default."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings


def _check_host(text: str) -> str:
    """A name, an address or a network; raises ValueError for what is none."""
    if "/" in text:
        return str(ipaddress.ip_network(text))
    if not text or set(text) & set("@?#%\\[] \t\n*"):
        raise ValueError(f"{text!r} is no host name, address or network")
    return text.lower().rstrip(".")


class SourceSettings(BaseSettings):
    """With nothing listed, POST /sources is refused."""

    source_hosts: tuple[Annotated[str, AfterValidator(_check_host)], ...] = ()
    """RTSP cameras: names, addresses and networks, as ["cam1.lan", "10.0.7.0/24"]. A name may not
    lead to this machine or to link-local addresses, unless their network is listed too."""
    source_ports: tuple[Annotated[int, Field(ge=1, le=65_535)], ...] = (554, 8554, 322)
    """Of these hosts."""
    source_folder: Path | None = None
    """Files in it and below may be read."""
    source_devices: tuple[str, ...] = ()
    """V4L2 cameras, as ["/dev/video0"]."""
    max_sources: int = Field(default=2, ge=0)
    """At once; each takes one of max_sessions, too."""
    source_retry_s: float = Field(default=60.0, gt=0)
    """Without a frame, for which a camera that went away is tried again; idle_timeout_s where that
    is longer."""
