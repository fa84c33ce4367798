"""`python -m load.soak`: one viewer for minutes; is the service's memory flat?

Prints resident memory once an interval, as the service itself tells it at /metrics, and a row for
RESULTS.md.
"""

import argparse
import asyncio
import re
import time
from urllib.request import ProxyHandler, build_opener

from load.viewer import Pattern, view
from streamer.client import ClientStats
from streamer.client_signalling import is_loopback

MEBIBYTE = 2**20


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--interval-s", type=float, default=30.0)
    parser.add_argument("--tracks", type=int, default=1)
    arguments = parser.parse_args()
    asyncio.run(soak(arguments.url, 60 * arguments.minutes, arguments.interval_s, arguments.tracks))


async def soak(url: str, seconds: float, interval_s: float, tracks: int) -> list[float]:
    """Resident memory in MiB, first idle, then once an interval; printed as it is read."""
    pattern = Pattern()
    resident = [await asyncio.to_thread(resident_mib, url)]
    print(f"idle: {resident[0]:.0f} MiB", flush=True)  # noqa: T201 a program's output
    async with asyncio.TaskGroup() as group:
        viewing = group.create_task(view(url, pattern, tracks, seconds))
        began_s = time.monotonic()
        while not viewing.done():
            await asyncio.wait([viewing], timeout=interval_s)
            resident.append(await asyncio.to_thread(resident_mib, url))
            print(f"{time.monotonic() - began_s:.0f} s: {resident[-1]:.0f} MiB", flush=True)  # noqa: T201
    print(row(pattern, tracks, seconds, resident, viewing.result()))  # noqa: T201
    return resident


def row(
    pattern: Pattern, tracks: int, seconds: float, resident: list[float], stats: ClientStats
) -> str:
    """The line for RESULTS.md. The first interval is warm-up."""
    settled = resident[2:] or resident[1:]
    cells = (
        time.strftime("%Y-%m-%d"),
        f"{pattern.width}x{pattern.height}@{pattern.fps}",
        str(tracks),
        f"{seconds / 60:.0f} min",
        f"{resident[0]:.0f}",
        f"{min(settled):.0f} to {max(settled):.0f}",
        f"{stats.masks / seconds:.1f}",
        f"{1000 * (stats.latency_s or 0):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def resident_mib(url: str) -> float:
    """Resident memory of the service's process."""
    opener = build_opener(ProxyHandler({} if is_loopback(url) else None))
    with opener.open(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{url}/metrics does not tell process_resident_memory_bytes")
    return float(found[1]) / MEBIBYTE


if __name__ == "__main__":
    main()
