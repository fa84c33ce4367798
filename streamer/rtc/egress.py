"""Where media must not go: a client names addresses in its candidates, and packets go there."""

import ipaddress
from collections.abc import Sequence
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# What only this machine, its link or its cloud's own services answer to.
NEVER_CLIENTS: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, metadata servers among them (RFC 3927)
        "100.100.100.200/32",  # Alibaba's metadata server
        "168.63.129.16/32",  # Azure's
        "192.0.0.192/32",  # Oracle's
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/127",
        "64:ff9b::/96",  # IPv4 behind a NAT64
        "fd00:ec2::254/128",  # Amazon's metadata server
        "fe80::/10",
        "ff00::/8",
    )
)

_blocked: tuple[Network, ...] = ()


def block(networks: Sequence[Network]) -> None:
    """Candidates of this process's clients in these networks are left out from now on."""
    global _blocked  # noqa: PLW0603 (of the process, as the other changes to aiortc)
    _blocked = tuple(networks)


def is_blocked(host: str) -> bool:
    """Whether no packet goes to a candidate's address; a name is none, and not judged here."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _blocked if network.version == address.version)
