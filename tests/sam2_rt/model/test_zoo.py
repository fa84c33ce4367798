import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save_file

from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import CheckpointError
from sam2_rt.model.config import NANO, ModelConfig
from sam2_rt.model.download import DownloadError
from sam2_rt.model.sam2 import SAM2

NAME = "sam2.1-hiera-tiny"
SMALLEST = ModelConfig(NANO.trunk, image_size=64, dim=64, memory_layers=1, feedforward_dim=64)
HUB_PATH = f"/facebook/{NAME}/resolve/main/sam2.1_hiera_tiny.pt"
OFFICIAL_PATH = "/092824/sam2.1_hiera_tiny.pt"


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


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """Caches under tmp_path, both servers on loopback, and a tiny model under a known name."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("SAM2_RT_OFFICIAL_URL", server.url)
    monkeypatch.setitem(zoo.MODELS, NAME, replace(zoo.MODELS[NAME], config=SMALLEST))


@pytest.fixture(scope="module")
def official_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("official") / "file.pt"
    torch.save({"model": SAM2(SMALLEST).state_dict()}, path)
    return path.read_bytes()


class Reports(list[tuple[int, int | None]]):
    def __call__(self, done: int, total: int | None) -> None:
        self.append((done, total))


def test_names_are_eight_official_ones_and_nano():
    sizes = ("tiny", "small", "base-plus", "large")
    official = [f"{version}-hiera-{size}" for version in ("sam2", "sam2.1") for size in sizes]
    assert list(zoo.MODELS) == [*official, "nano"]


def test_parameters_are_those_of_the_paper_s_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    assert zoo.num_parameters("sam2-hiera-tiny") == 38_945_986
    assert zoo.num_parameters("sam2.1-hiera-large") == 224_446_642


def test_sources_are_where_the_files_are():
    urls = {name: entry.source for name, entry in zoo.MODELS.items() if entry.source}
    old, new = urls["sam2-hiera-base-plus"], urls["sam2.1-hiera-base-plus"]
    assert (old.repository, old.folder, old.file) == (
        "facebook/sam2-hiera-base-plus",
        "072824",
        "sam2_hiera_base_plus.pt",
    )
    assert (new.repository, new.folder, new.file) == (
        "facebook/sam2.1-hiera-base-plus",
        "092824",
        "sam2.1_hiera_base_plus.pt",
    )


@pytest.mark.parametrize("act", [zoo.build, zoo.load, zoo.cached, zoo.is_trained])
def test_an_unknown_name_is_answered_with_those_that_are_known(act):
    with pytest.raises(zoo.UnknownModel, match=r"'sam3'; there are sam2-hiera-tiny, .*, nano"):
        act("sam3")


def test_a_model_is_built_for_the_size_that_is_asked_for():
    assert zoo.build("nano").config == NANO
    assert zoo.build("nano", 128).config.image_size == 128
    with pytest.raises(ValueError, match="100 is not a positive multiple of 32"):
        zoo.build("nano", 100)


def test_nano_without_weights_is_the_same_each_time_and_says_it_is_untrained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path / "none.safetensors")
    one, two = (zoo.load("nano").state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not zoo.is_trained("nano")
    assert zoo.is_trained("nano", tmp_path / "mine.pt")
    assert zoo.is_trained(NAME)


def test_loading_leaves_the_random_state_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    zoo.load("nano")
    assert torch.rand(1) == expected


def test_bundled_weights_make_nano_a_trained_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    weights = zoo.build("nano").state_dict()
    save_file(weights, tmp_path / "nano.safetensors")
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path / "nano.safetensors")
    loaded = zoo.load("nano").state_dict()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)
    assert zoo.is_trained("nano")
    assert zoo.fetch("nano", Reports()) == tmp_path / "nano.safetensors"


def test_a_checkpoint_loads_in_eval_mode_at_any_size_and_type(tmp_path: Path, official_file: bytes):
    (tmp_path / "mine.pt").write_bytes(official_file)
    model = zoo.load(NAME, tmp_path / "mine.pt", dtype=torch.bfloat16, image_size=96)
    assert not model.training
    assert model.config.image_size == 96
    assert model.no_obj_ptr.dtype == torch.bfloat16
    with pytest.raises(CheckpointError, match="is no checkpoint of nano"):
        zoo.load("nano", tmp_path / "mine.pt")


def test_a_model_that_was_not_fetched_says_how_to():
    with pytest.raises(zoo.NotFetched, match=f"run `sam2-rt models fetch {NAME}`"):
        zoo.load(NAME)


def test_fetches_from_the_hub_then_finds_and_loads_it(server: Server, official_file: bytes):
    server.files[HUB_PATH] = official_file
    reports = Reports()
    path = zoo.fetch(NAME, reports)
    assert path.read_bytes() == official_file
    assert reports[-1] == (len(official_file), len(official_file))
    assert zoo.cached(NAME) == path
    assert not zoo.load(NAME).training
    assert {path for _, path, _ in server.requests} == {HUB_PATH}


def test_a_file_that_is_here_is_not_asked_for_again(server: Server, official_file: bytes):
    server.files[HUB_PATH] = official_file
    path = zoo.fetch(NAME, Reports())
    server.requests.clear()
    assert zoo.fetch(NAME, Reports()) == path
    assert server.requests == []


def test_a_cut_download_from_the_hub_goes_on_where_it_was(
    server: Server, official_file: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 500)
    server.files[HUB_PATH] = official_file
    server.cuts = [1000]
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file
    assert server.ranges == [None, "bytes=1000-"]


def test_without_the_hub_the_official_server_is_asked(server: Server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    reports = Reports()
    path = zoo.fetch(NAME, reports)
    assert path.read_bytes() == official_file
    assert reports[-1] == (len(official_file), len(official_file))
    assert zoo.cached(NAME) == path
    assert [file.name for file in path.parent.glob("*.pt*")] == [path.name]


def test_a_cut_official_download_goes_on_where_it_was(server: Server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    server.cuts = [1000, 500]
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_run_goes_on_where_the_last_gave_up(server: Server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    server.cuts = [100, 100, 100]
    with pytest.raises(DownloadError, match="peer closed connection"):
        zoo.fetch(NAME, Reports())
    assert zoo.cached(NAME) is None
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file
    assert server.ranges[-1] == "bytes=300-"


def test_a_file_that_changed_meanwhile_is_begun_anew(server: Server, official_file: bytes):
    server.files[OFFICIAL_PATH] = b"an older file" * 1000
    server.cuts = [100, 100, 100]
    with pytest.raises(DownloadError):
        zoo.fetch(NAME, Reports())
    server.files[OFFICIAL_PATH], server.etag = official_file, '"two"'
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file


def test_a_file_of_another_size_than_promised_is_refused(server: Server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    server.cuts, server.promised_extra = [1000], 7
    promised = f"{len(official_file)} bytes arrived, where {len(official_file) + 7} were promised"
    with pytest.raises(DownloadError, match=promised):
        zoo.fetch(NAME, Reports())
    assert zoo.cached(NAME) is None


def test_a_file_that_does_not_load_is_refused_and_deleted(
    server: Server, official_file: bytes, tmp_path: Path
):
    server.files[OFFICIAL_PATH] = official_file[:-2000]
    with pytest.raises(CheckpointError, match="cannot be read"):
        zoo.fetch(NAME, Reports())
    assert zoo.cached(NAME) is None
    assert list((tmp_path / "sam2-rt").iterdir()) == []


def test_offline_one_line_says_who_was_asked_and_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("SAM2_RT_OFFICIAL_URL", "http://127.0.0.1:9/official")
    with pytest.raises(DownloadError) as caught:
        zoo.fetch(NAME, Reports())
    message = str(caught.value)
    assert "\n" not in message
    assert "could not reach http://127.0.0.1:9 (" in message
    assert "nor http://127.0.0.1:9/official (" in message
    assert message.count("Connection refused") == 2
    assert f"`sam2-rt models fetch {NAME}` again" in message
    assert "--checkpoint" in message
