import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from sam2_rt.model import zoo
from sam2_rt.model.config import TINY, ModelConfig
from sam2_rt.model.sam2 import SAM2
from seeded import SMALL_HIERA, seed_

NAME = "sam2.1-hiera-tiny"
SMALLEST = ModelConfig(SMALL_HIERA, image_size=64, dim=64, memory_layers=1, feedforward_dim=64)


@pytest.fixture(scope="session")
def tiny() -> SAM2:
    """SAM 2.1 tiny at 256 with seeded weights."""
    return seed_(SAM2(ModelConfig(TINY, image_size=256)))


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@dataclass
class Server:
    """Enough of the hub, and of a plain file server, on loopback."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"one"'
    cuts: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off."""
    promised_extra: int = 0
    """Bytes promised by Content-Range beyond those there are."""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    @property
    def ranges(self) -> list[str | None]:
        return [asked for method, _, asked in self.requests if method == "GET"]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.requests.append((request.command, request.path, asked))
        body = self.files.get(request.path)
        if body is None:
            request.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        if request.headers.get("If-Range", self.etag) != self.etag:
            start = 0
        request.send_response(206 if start else 200)
        request.send_header("ETag", self.etag)
        request.send_header("X-Repo-Commit", "c" * 40)
        request.send_header("Content-Length", str(len(body) - start))
        if start:
            total = len(body) + self.promised_extra
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{total}")
        request.end_headers()
        if request.command == "GET":
            cut = self.cuts.pop(0) if self.cuts else len(body)
            request.wfile.write(body[start : start + cut])


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def do_HEAD(self) -> None:
            state.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """Caches under tmp_path, both servers on loopback, and a tiny model under a known name."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("SAM2_RT_OFFICIAL_URL", server.url)
    monkeypatch.setitem(zoo.MODELS, NAME, replace(zoo.MODELS[NAME], config=SMALLEST))


@pytest.fixture(scope="session")
def official_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("official") / "file.pt"
    torch.save({"model": SAM2(SMALLEST).state_dict()}, path)
    return path.read_bytes()
