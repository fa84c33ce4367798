"""What a server's process uses, as it tells itself at /metrics (Prometheus' text format)."""

import re
from urllib.request import ProxyHandler, build_opener

from streamer.client.signalling import is_loopback

MEBIBYTE = 2**20


def resident_mib(url: str) -> float:
    """Resident memory. Raises ValueError when it is not told, OSError when nobody answers."""
    return _told(url, "process_resident_memory_bytes") / MEBIBYTE


def cpu_s(url: str) -> float:
    """CPU time of all its cores since it began. Raises like resident_mib()."""
    return _told(url, "process_cpu_seconds_total")


def num_sessions(url: str) -> int:
    """Viewers that it serves now. Raises like resident_mib()."""
    return int(_told(url, "streamer_sessions"))


def _told(url: str, name: str) -> float:
    opener = build_opener(ProxyHandler({} if is_loopback(url) else None))
    with opener.open(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{url}/metrics does not tell {name}")
    return float(found[1])
