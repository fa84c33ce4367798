from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from served import serving

from fake_engine import FakeEngine
from load import soak


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


async def test_it_reads_memory_while_a_viewer_watches(capsys: pytest.CaptureFixture[str]):
    async with serving(FakeEngine) as served:
        resident = await soak.soak(served.url, seconds=1.5, interval_s=0.5, tracks=1)
    assert len(resident) >= 4
    assert all(10 < mib < 10_000 for mib in resident)
    assert capsys.readouterr().out.splitlines()[-1].startswith("| 20")


def test_a_service_that_does_not_tell_its_memory_is_named():
    with (
        answering(b"something_else 1\n") as url,
        pytest.raises(ValueError, match="process_resident_memory_bytes"),
    ):
        soak.resident_mib(url)


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch):
    with (
        answering(b"process_resident_memory_bytes 2097152\n") as url,
        answering(b"from the proxy\n") as proxy,
    ):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        assert soak.resident_mib(url) == 2
