"""npm's whip-whep, by an author of RFC 9725: fetched once, into pytest's cache."""

import subprocess
import tarfile
from pathlib import Path

import pytest

PACKAGE = "whip-whep@1.2.0"


def fetch(cache: pytest.Cache) -> Path:
    """The folder with whip.js and whep.js; skips the test where npm or its registry is missing."""
    folder = Path(cache.mkdir(PACKAGE.replace("@", "-")))
    if not (folder / "package" / "whip.js").exists():
        command = ["npm", "pack", PACKAGE, "--pack-destination", str(folder), "--silent"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"{PACKAGE} cannot be fetched: {error}")
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as package:
            package.extractall(folder, filter="data")
    return folder / "package"
