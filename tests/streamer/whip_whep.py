"""npm's whip-whep, by an author of RFC 9725: fetched once, into pytest's cache."""

import contextlib
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PACKAGE = "whip-whep@1.2.0"


def fetch(cache: pytest.Cache) -> Path:
    """The folder with whip.js and whep.js; skips the test where npm or its registry is missing."""
    fetched = Path(cache.mkdir(PACKAGE.replace("@", "-"))) / "package"
    if fetched.exists():
        return fetched
    with TemporaryDirectory(dir=fetched.parent) as folder:
        command = ["npm", "pack", PACKAGE, "--pack-destination", folder, "--silent"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{PACKAGE} cannot be fetched: {error}")
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as package:
            package.extractall(folder, filter="data")
        with contextlib.suppress(OSError):  # another process of the tests was quicker
            (Path(folder) / "package").rename(fetched)
    return fetched
