"""Where official checkpoint files come from: the Hugging Face hub, else Meta's own server."""

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
from huggingface_hub.errors import HfHubHTTPError

if TYPE_CHECKING:
    from huggingface_hub.utils.tqdm import tqdm

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes of the whole file, None if unknown."""

HUB_URL: Final = "https://huggingface.co"
OFFICIAL_URL: Final = "https://dl.fbaipublicfiles.com/segment_anything_2"

_ATTEMPTS: Final = 3
"""Of one download; each goes on where the last was cut off."""
_TIMEOUT_S: Final = 30.0
# The hub's own errors and those of the HTTP library below it, which differs between its versions.
_HUB_ERRORS: Final = cast(tuple[type[Exception], ...], (OSError, *HfHubHTTPError.__bases__))


def caches() -> Path:
    """Folder for what can be fetched or made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sam2-rt"


class DownloadError(OSError):
    """A file that could not be downloaded; the message is one line and names who was asked."""


@dataclass(frozen=True, slots=True)
class Source:
    """One official file, at the two places that have it."""

    repository: str
    """On the hub."""
    folder: str
    """Under the official URL."""
    file: str

    @property
    def stored(self) -> Path:
        """Where a download from the official server is kept."""
        return caches() / self.file

    def find(self) -> Path | None:
        """The file on this machine, from either place; None if it was never downloaded.

        Raises DownloadError for an HF_ENDPOINT that is no URL.
        """
        cached = _hub().try_to_load_from_cache(self.repository, self.file)
        if isinstance(cached, str):
            return Path(cached)
        return self.stored if self.stored.is_file() else None

    def discard(self, path: Path) -> None:
        """Deletes a broken file that find() gave. Raises DownloadError when it cannot."""
        blob = path.resolve()
        try:
            if blob.parent.name == "blobs":  # where the hub's cache keeps what its names link to
                blob.unlink()
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DownloadError(
                f"{path} is broken and cannot be deleted ({_one_line(error)}): delete it yourself"
            ) from error

    def from_hub(self, progress: Progress) -> Path:
        """Downloads through huggingface_hub, into its cache. Raises DownloadError.

        HF_ENDPOINT names another hub. The library goes on after a cut connection and checks the
        size; what an interrupted run left behind it drops.
        """
        hub, endpoint = _hub(), _endpoint()
        try:
            # Fails at once without a network, where the download would try for half a minute.
            hub.get_hf_file_metadata(hub.hf_hub_url(self.repository, self.file, endpoint=endpoint))
            path = hub.hf_hub_download(
                self.repository, self.file, endpoint=endpoint, tqdm_class=_reporting(progress)
            )
        except _HUB_ERRORS as error:
            raise _failure(endpoint, error) from error
        return Path(path)

    def from_official(self, progress: Progress, verify: Callable[[Path], None]) -> Path:
        """Downloads from SAM2_RT_OFFICIAL_URL, by default Meta's server. Raises DownloadError.

        What an interrupted run left in a .part file is kept and gone on from. `verify` gets the
        whole file before it takes its name; if it raises, the file is deleted.
        """
        base = os.environ.get("SAM2_RT_OFFICIAL_URL") or OFFICIAL_URL
        part = _PartFile(self.stored.with_name(f"{self.file}.part"))
        try:
            part.path.parent.mkdir(parents=True, exist_ok=True)
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    part.go_on(f"{base}/{self.folder}/{self.file}", progress)
                    break
                except httpx.TransportError:  # the network; another attempt may go on
                    if attempt == _ATTEMPTS:
                        raise
            return part.accept(self.stored, verify)
        # The network, the server's answer, an address that is none, or this disk.
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _failure(base, error) from error


@dataclass(frozen=True, slots=True)
class _PartFile:
    """The first bytes of a file, and beside them the server's name for its content."""

    path: Path

    @property
    def _etag(self) -> Path:
        return self.path.with_name(f"{self.path.name}.etag")

    def go_on(self, url: str, progress: Progress) -> None:
        """Gets the bytes that are missing, or all where the server's file is another by now."""
        has_start = self.path.is_file() and self._etag.is_file()
        headers = {"Accept-Encoding": "identity"}
        if has_start:  # RFC 9110, 13.1.5: from there on if unchanged, else everything
            headers["Range"] = f"bytes={self.path.stat().st_size}-"
            headers["If-Range"] = self._etag.read_text()
        timeout = httpx.Timeout(_TIMEOUT_S)
        with httpx.stream(
            "GET", url, headers=headers, timeout=timeout, follow_redirects=True
        ) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._check_size(_total(response))  # nothing is missing, or nothing is right
                return
            response.raise_for_status()
            self._write(response, progress)

    def _write(self, response: httpx.Response, progress: Progress) -> None:
        is_rest = response.status_code == httpx.codes.PARTIAL_CONTENT
        if not is_rest:
            etag = response.headers.get("ETag", "")
            self._etag.unlink(missing_ok=True)
            if etag and not etag.startswith("W/"):  # weak ones do not promise the same bytes
                self._etag.write_text(etag)
        total = _total(response)
        with self.path.open("ab" if is_rest else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                progress(file.tell(), total)
        self._check_size(total)

    def _check_size(self, total: int | None) -> None:
        size = self.path.stat().st_size
        if total is not None and size != total:
            self.path.unlink()
            raise OSError(f"{size} bytes arrived, where {total} were promised")

    def accept(self, destination: Path, verify: Callable[[Path], None]) -> Path:
        """Gives a file that passes its final name; one that does not is deleted."""
        self._etag.unlink(missing_ok=True)
        try:
            verify(self.path)
        except ValueError:
            self.path.unlink()
            raise
        return self.path.replace(destination)


def _total(response: httpx.Response) -> int | None:
    """Bytes of the whole file, by Content-Range of a part or by Content-Length."""
    whole = re.search(r"/(\d+)$", response.headers.get("Content-Range", ""))
    if whole:
        return int(whole[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _hub() -> ModuleType:
    """huggingface_hub, which parses HF_ENDPOINT as it is imported. Raises DownloadError."""
    try:
        import huggingface_hub.file_download  # noqa: PLC0415 - may fail, see above
    except ValueError as error:
        raise DownloadError(f"HF_ENDPOINT is no URL ({_one_line(error)})") from error
    return huggingface_hub


def _endpoint() -> str:
    """The hub's address. Raises DownloadError for an HF_ENDPOINT that is no URL."""
    endpoint = os.environ.get("HF_ENDPOINT") or HUB_URL
    try:
        httpx.URL(endpoint)
    except httpx.InvalidURL as error:
        raise DownloadError(f"HF_ENDPOINT is no URL ({_one_line(error)})") from error
    return endpoint


def _failure(place: str, error: BaseException) -> DownloadError:
    """Tells this machine's disk, whose errors have a number, from the network and the server."""
    is_of_disk = (
        isinstance(error, OSError)
        and error.errno is not None
        and not isinstance(error, ConnectionError | TimeoutError)
    )
    what = "could not store what came from" if is_of_disk else "could not reach"
    return DownloadError(f"{what} {place} ({_one_line(error)})")


def _one_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _reporting(progress: Progress) -> "type[tqdm]":
    """A bar that draws nothing and reports; of the hub's two bars the one ahead counts."""
    from huggingface_hub.utils.tqdm import tqdm  # noqa: PLC0415 - as _hub()

    ahead = 0

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs |= {"disable": False, "file": io.StringIO(), "leave": False}
            super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]  # tqdm's own

        def display(self, *_args: object, **_kwargs: object) -> None:
            nonlocal ahead
            ahead = max(ahead, int(self.n))
            progress(ahead, self.total)

    return Bar
