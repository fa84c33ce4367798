"""A service with an engine of discs, which starts at once: `fake_pod.py --host H --port P`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "streamer"))

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.server import Server

if __name__ == "__main__":
    settings = Settings(host=sys.argv[2], port=int(sys.argv[4]))
    sys.exit(Server(settings, FakeEngine, lambda url: None, lambda line: None).run_to_end())
