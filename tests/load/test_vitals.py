from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from load.vitals import cpu_s, resident_mib


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """The URL of a server on loopback that says this to everybody."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_what_is_told_is_read():
    told = b"process_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 2.097152e+06\n"
    with answering(told) as url:
        assert (cpu_s(url), resident_mib(url)) == (1.5, 2)


def test_a_service_that_does_not_tell_is_named():
    with (
        answering(b"something_else 1\n") as url,
        pytest.raises(ValueError, match="process_resident_memory_bytes"),
    ):
        resident_mib(url)


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch):
    with (
        answering(b"process_resident_memory_bytes 2097152\n") as url,
        answering(b"from the proxy\n") as proxy,
    ):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        assert resident_mib(url) == 2
