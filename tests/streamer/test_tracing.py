import subprocess
import sys

import pytest

from streamer import tracing
from streamer.config import Settings
from streamer.tracing import NoTelemetry, open_tracer

OFF = """
import sys
from streamer import server, tracing
assert tracing.open_tracer(0.0) is None
# FastAPI loads its interface, which does nothing by itself.
loaded = ("opentelemetry.sdk", "opentelemetry.exporter", "streamer.tracing_otel")
sys.exit(any(name.startswith(loaded) for name in sys.modules))
"""


def test_a_service_without_traces_loads_nothing_that_makes_them():
    assert Settings().trace_sample == 0
    assert subprocess.run([sys.executable, "-c", OFF], check=False).returncode == 0


def test_what_is_missing_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracing, "find_spec", lambda _name: None)
    with pytest.raises(NoTelemetry, match=r"pip install 'sam2-rt\[otel\]'"):
        open_tracer(0.5)
