"""MetricsServer: /metrics on its own port and thread: it answers while the event loop hangs."""

import logging
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from streamer.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class MetricsServer:
    """Serves from its making until close(). Raises OSError for a port that is taken."""

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._server: WSGIServer
        self._thread: Thread
        self._server, self._thread = start_http_server(port, host, metrics.registry)
        self.port: int = self._server.server_port
        log.info("metrics on port %s", self.port)

    def close(self) -> None:
        """Waits for the thread, half a second maybe."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
