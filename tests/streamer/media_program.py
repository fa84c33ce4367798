"""A service of several media workers with a fake engine, as a program; tells its processes' ids."""

import json
import multiprocessing
import threading
import time

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.media_workers import MediaWorkers


def tell_processes() -> None:
    """A line of JSON whenever they change."""
    told: list[tuple[str, int | None]] = []
    while True:
        now = sorted((each.name, each.pid) for each in multiprocessing.active_children())
        if now != told:
            print(json.dumps(now), flush=True)  # noqa: T201 (a program's output)
            told = now
        time.sleep(0.1)


if __name__ == "__main__":
    threading.Thread(target=tell_processes, daemon=True).start()
    workers = MediaWorkers(Settings(), FakeEngine, lambda _url: None, lambda _loaded: None)
    raise SystemExit(workers.run_to_end())
