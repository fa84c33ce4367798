import io
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.telemetry.announcer import Announcer

LOADED = SimpleNamespace(info=FakeEngine.info, warm_up_s=1.5, fault=None)
FAILED = SimpleNamespace(info=None, warm_up_s=None, fault=FileNotFoundError("no weights"))


def announced(form: str, worker: SimpleNamespace) -> str:
    """What is printed."""
    written = io.StringIO()
    announcer = Announcer(Settings(log_format=form), Console(file=written, width=200))
    announcer.tell_address("http://127.0.0.1:8080")
    announcer.tell_model(worker)
    return written.getvalue()


def test_people_are_told_where_to_go_and_what_to_expect():
    text = announced("text", LOADED)
    assert "Open http://127.0.0.1:8080" in text
    assert "Ready: fake at 32 px on cpu" in text
    assert "fake is untrained" in text
    assert "could not be loaded: no weights" in announced("text", FAILED)


def test_programs_are_told_by_the_log_alone(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    assert announced("json", LOADED) == ""
    listening, ready = caplog.records
    assert listening.facts == {"url": "http://127.0.0.1:8080", "model": "nano"}
    assert (ready.getMessage(), ready.facts["warm_up_s"]) == ("ready", 1.5)
    assert announced("json", FAILED) == ""
    assert caplog.records[-1].getMessage() == "the model could not be loaded: no weights"
