"""What the README and the other pages name is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str):
    named = re.findall(r"`((?:sam2_rt|streamer|load|tests)/[\w/.*]+)`", (ROOT / page).read_text())
    missing = [name for name in named if not list(ROOT.glob(name.rstrip("/")))]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_that_are_named_exist(page: str):
    for target in set(re.findall(r"\bmake ([a-z][a-z-]*)", (ROOT / page).read_text())):
        known = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert known.returncode == 0, f"make {target}"
