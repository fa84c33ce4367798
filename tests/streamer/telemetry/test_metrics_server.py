import socket

import httpx
import pytest

from streamer.telemetry.metrics import Metrics
from streamer.telemetry.metrics_server import MetricsServer


def test_it_serves_what_the_service_would_and_nothing_after_its_end():
    metrics = Metrics()
    metrics.frames_received.inc(3)
    server = MetricsServer(metrics, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.port}/metrics"
    assert "\nstreamer_frames_received_total 3.0\n" in httpx.get(url).text
    server.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_port_that_is_taken_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        MetricsServer(Metrics(), "127.0.0.1", taken.getsockname()[1])
