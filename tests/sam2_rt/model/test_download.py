from pathlib import Path

import huggingface_hub.constants
import pytest

from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import CheckpointError
from sam2_rt.model.download import DownloadError

# Downloads are asked for by name, as users do: zoo.fetch() is the way in.
pytestmark = pytest.mark.usefixtures("machine")

NAME = "sam2.1-hiera-tiny"
HUB_PATH = f"/facebook/{NAME}/resolve/main/sam2.1_hiera_tiny.pt"
OFFICIAL_PATH = "/092824/sam2.1_hiera_tiny.pt"


class Reports(list[tuple[int, int | None]]):
    def __call__(self, done: int, total: int | None) -> None:
        self.append((done, total))


def test_fetches_from_the_hub_then_finds_and_loads_it(server, official_file: bytes):
    server.files[HUB_PATH] = official_file
    reports = Reports()
    path = zoo.fetch(NAME, reports)
    assert path.read_bytes() == official_file
    assert reports[-1] == (len(official_file), len(official_file))
    assert zoo.cached(NAME) == path
    assert not zoo.load(NAME).training
    assert {path for _, path, _ in server.requests} == {HUB_PATH}


def test_a_file_that_is_here_is_not_asked_for_again(server, official_file: bytes):
    server.files[HUB_PATH] = official_file
    path = zoo.fetch(NAME, Reports())
    server.requests.clear()
    assert zoo.fetch(NAME, Reports()) == path
    assert server.requests == []


def test_a_cut_download_from_the_hub_goes_on_where_it_was(
    server, official_file: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 500)
    server.files[HUB_PATH] = official_file
    server.cuts = [1000]
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file
    assert server.ranges == [None, "bytes=1000-"]


def test_without_the_hub_the_official_server_is_asked(server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    reports = Reports()
    path = zoo.fetch(NAME, reports)
    assert path.read_bytes() == official_file
    assert reports[-1] == (len(official_file), len(official_file))
    assert zoo.cached(NAME) == path
    assert [file.name for file in path.parent.glob("*.pt*")] == [path.name]


def test_a_cut_official_download_goes_on_where_it_was(server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    server.cuts = [1000, 500]
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_run_goes_on_where_the_last_gave_up(server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    server.cuts = [100, 100, 100]
    with pytest.raises(DownloadError, match="peer closed connection"):
        zoo.fetch(NAME, Reports())
    assert zoo.cached(NAME) is None
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file
    assert server.ranges[-1] == "bytes=300-"


def test_a_file_that_changed_meanwhile_is_begun_anew(server, official_file: bytes):
    server.files[OFFICIAL_PATH] = b"an older file" * 1000
    server.cuts = [100, 100, 100]
    with pytest.raises(DownloadError):
        zoo.fetch(NAME, Reports())
    server.files[OFFICIAL_PATH], server.etag = official_file, '"two"'
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file


def test_a_file_of_another_size_than_promised_is_refused(server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    server.cuts, server.promised_extra = [1000], 7
    promised = f"{len(official_file)} bytes arrived, where {len(official_file) + 7} were promised"
    with pytest.raises(DownloadError, match=promised):
        zoo.fetch(NAME, Reports())
    assert zoo.cached(NAME) is None


def test_a_file_that_does_not_load_is_refused_and_deleted(
    server, official_file: bytes, tmp_path: Path
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
    assert "could not reach http://127.0.0.1:9/official (" in message
    assert message.count("Connection refused") == 2
    assert f"`sam2-rt models fetch {NAME}` again" in message
    assert "--checkpoint" in message


def test_junk_of_any_kind_is_refused_and_deleted(server, tmp_path: Path):
    server.files[OFFICIAL_PATH] = b"\x80\x02h\x01."  # a pickle that torch fails on by KeyError
    with pytest.raises(CheckpointError, match="cannot be read"):
        zoo.fetch(NAME, Reports())
    assert list((tmp_path / "sam2-rt").iterdir()) == []


def test_a_broken_file_in_the_hub_s_cache_is_fetched_once_more(server, official_file: bytes):
    server.files[HUB_PATH] = official_file
    path = zoo.fetch(NAME, Reports())
    path.resolve().write_bytes(official_file[:-2000])
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file


def test_a_broken_file_of_ours_is_fetched_once_more(server, official_file: bytes):
    server.files[OFFICIAL_PATH] = official_file
    path = zoo.fetch(NAME, Reports())
    path.write_bytes(b"junk")
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file


def test_what_a_cached_name_links_to_elsewhere_is_left_alone(
    server, official_file: bytes, tmp_path: Path
):
    server.files[OFFICIAL_PATH] = official_file
    (tmp_path / "mine.pt").write_bytes(b"junk")
    (tmp_path / "sam2-rt").mkdir()
    (tmp_path / "sam2-rt" / "sam2.1_hiera_tiny.pt").symlink_to(tmp_path / "mine.pt")
    assert zoo.fetch(NAME, Reports()).read_bytes() == official_file
    assert (tmp_path / "mine.pt").read_bytes() == b"junk"


def test_a_broken_file_that_cannot_be_deleted_is_named(
    server, official_file: bytes, monkeypatch: pytest.MonkeyPatch
):
    server.files[OFFICIAL_PATH] = official_file
    path = zoo.fetch(NAME, Reports())
    path.write_bytes(b"junk")

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(DownloadError, match=f"{path} is broken and cannot be deleted"):
        zoo.fetch(NAME, Reports())


def test_a_cache_that_cannot_be_written_is_not_called_a_network_s_fault(
    server, official_file: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server.files |= {HUB_PATH: official_file, OFFICIAL_PATH: official_file}
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    with pytest.raises(DownloadError) as caught:
        zoo.fetch(NAME, Reports())
    message = str(caught.value)
    assert "could not reach" not in message
    assert message.count("could not store what came from") == 2
    assert "\n" not in message


@pytest.mark.parametrize("variable", ["HF_ENDPOINT", "SAM2_RT_OFFICIAL_URL"])
@pytest.mark.parametrize("address", ["http://[", "http://host:port"])
def test_an_address_that_is_none_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, address: str
):
    monkeypatch.setenv(variable, address)
    with pytest.raises(DownloadError) as caught:
        zoo.fetch(NAME, Reports())
    assert "\n" not in str(caught.value)
