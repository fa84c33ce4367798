import io

import pytest
from served import serving

from fake_engine import FakeEngine
from load import soak


async def test_it_reads_memory_while_a_viewer_watches(capsys: pytest.CaptureFixture[str]):
    async with serving(FakeEngine) as served:
        resident = await soak.soak(served.url, seconds=1.5, interval_s=0.5, tracks=1)
    assert len(resident) >= 4
    assert all(10 < mib < 10_000 for mib in resident)
    assert capsys.readouterr().out.splitlines()[-1].startswith("| 20")


async def test_a_service_that_does_not_tell_its_memory_is_named(monkeypatch: pytest.MonkeyPatch):
    answer = io.BytesIO(b"something_else 1\n")
    monkeypatch.setattr(soak, "urlopen", lambda *_, **__: answer)
    with pytest.raises(ValueError, match="process_resident_memory_bytes"):
        soak.resident_mib("http://127.0.0.1:1")
