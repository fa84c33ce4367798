"""All media of these tests stays on loopback; one browser serves a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from stage import CHROMIUM, chromium, write_camera


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_MEDIA_ADDRESSES", '["127.0.0.1"]')


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_camera(camera)
    async with chromium(camera) as browser:
        yield browser
