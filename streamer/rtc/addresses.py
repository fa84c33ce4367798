"""Which local addresses media may use: aioice takes all interfaces and leaves loopback out."""

import ipaddress
from collections.abc import Sequence

import aioice.ice

_all_interfaces = aioice.ice.get_host_addresses


def use_addresses(addresses: Sequence[str], *, with_loopback: bool) -> None:
    """Host candidates of this process are these addresses; when empty, all interfaces'.

    with_loopback adds 127.0.0.1 to the interfaces'.
    """

    def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: FBT001 (aioice's)
        if not addresses:
            found = _all_interfaces(use_ipv4, use_ipv6)
            return [*found, "127.0.0.1"] if with_loopback and use_ipv4 else found
        versions = {4: use_ipv4, 6: use_ipv6}
        return [a for a in addresses if versions[ipaddress.ip_address(a).version]]

    # A module's global is the one place that aioice 0.13 asks.
    aioice.ice.get_host_addresses = get_host_addresses
