import asyncio
import subprocess
import sys

import httpx
import pytest

from load.echo_process import echoing
from load.picture_code import read
from load.scene import Pattern
from load.viewer import viewing
from streamer.client import Client, ConnectionLost


def test_nothing_of_the_service_is_in_it():
    code = "import sys, load.echo; sys.exit(any(m.startswith('streamer') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_what_is_sent_comes_back_untouched():
    pattern = Pattern(96, 64)
    sent = (await anext(pattern.frames())).to_ndarray()[:40]
    async with echoing() as url:
        async with Client(url, pattern.frames(), resume_s=0) as client:
            returned = await anext(client.video())
        assert read(returned.picture) is not None
        assert abs(float(returned.picture.to_ndarray()[:40].mean()) - float(sent.mean())) < 15
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.delete("/sessions/7")).status_code == 404


async def test_its_end_is_noticed():
    async with echoing() as url, viewing(url, Pattern(96, 64), tracks=0) as viewer:
        watching = asyncio.create_task(viewer.watch(60))
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            assert (await http.delete("/sessions/0")).status_code == 200
        with pytest.raises(ConnectionLost):
            await watching


async def test_a_process_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start"):
        async with echoing():
            pass
