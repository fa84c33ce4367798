import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
import websockets
from fake_viewer import eventually
from loopback import OtherSide
from rich.console import Console
from served import serving

from streamer.telemetry import logs

Start = Callable[..., io.StringIO]


@pytest.fixture
def start() -> Iterator[Start]:
    """Begins to log; the buffer is what was logged. Everything is as it was afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    levels = {name: logging.getLogger(name).level for name in logs._CHATTY}

    def begin(level: str = "info", form: logs.Form = "json") -> io.StringIO:
        written = io.StringIO()
        logs.start(level, form, Console(file=written, width=200))
        return written

    yield begin
    root.handlers[:], root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_is_an_object_of_known_members(start: Start):
    written = start()
    before = datetime.now(UTC)
    logging.getLogger("streamer.x").warning("%s of %s", 1, 2, extra=logs.facts(size=3, name=None))
    (line,) = lines(written)
    at = datetime.fromisoformat(line.pop("time"))
    assert before.replace(microsecond=0) <= at <= datetime.now(UTC)
    rest = {"level": "warning", "logger": "streamer.x", "message": "1 of 2", "size": 3}
    assert line == {**rest, "name": None}


def test_a_fault_keeps_its_trace_on_its_one_line(start: Start):
    written = start()
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("streamer").exception("a fault")
    (line,) = lines(written)
    assert line["error"].startswith("Traceback")
    assert line["error"].endswith(r"'two\nlines'")


async def test_what_a_session_s_tasks_log_names_the_session_and_nobody_else_s_does(start: Start):
    written = start()
    log = logging.getLogger("streamer")

    async def session(name: str) -> None:
        logs.session_id.set(name)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(part())

    async def part() -> None:
        await asyncio.sleep(0)
        log.info("here")

    await asyncio.gather(session("a"), session("b"))
    log.info("there")
    assert [line.get("session") for line in lines(written)] == ["a", "b", None]


def test_text_names_the_session_once(start: Start):
    written = start(form="text")
    token = logs.session_id.set("abc")
    logging.getLogger("streamer").info("session abc ended")
    logging.getLogger("streamer").info("a frame was lost")
    logs.session_id.reset(token)
    text = " ".join(written.getvalue().split())
    assert "session abc ended" in text
    assert "a frame was lost (session abc)" in text
    assert text.count("abc") == 2


def test_a_level_below_is_silent(start: Start):
    written = start("warning")
    logging.getLogger("streamer").info("not this")
    logging.getLogger("aioice").warning("but this")
    assert [line["message"] for line in lines(written)] == ["but this"]


TOKEN_SECRET, RESUME_SECRET = "the key of all tokens, 32 bytes long", "r" * 40


async def test_no_secret_gets_into_a_log_at_its_most_talkative(start: Start):
    written = start("debug")
    turn_secret = "the secret of all TURN servers"
    good = jwt.encode({"sub": "me", "exp": 2**33}, TOKEN_SECRET, "HS256")
    bad = jwt.encode({"sub": "not me", "exp": 2**33}, "another key, also 32 bytes long.", "HS256")
    settings = {
        "token_secret": TOKEN_SECRET,
        "resume_secret": RESUME_SECRET,
        "turn_secret": turn_secret,
        "ice_servers": [{"urls": "turn:127.0.0.1:9"}],
        "uses_ice_servers": False,
    }
    viewer = OtherSide()
    async with serving(**settings) as served, httpx.AsyncClient(base_url=served.url) as http:
        bearing = {"Authorization": f"Bearer {good}"}
        refused = await http.get("/config", headers={"Authorization": f"Bearer {bad}"})
        assert refused.status_code == 401
        config = (await http.get("/config", headers=bearing)).json()
        offer = {"sdp": await viewer.offer(), "type": "offer", "resume": "no token at all"}
        answer = (await http.post("/offer", json=offer, headers=bearing)).json()
        await viewer.accept(answer["sdp"])
        viewer.control.on("open", viewer.click)
        await eventually(lambda: any(m["type"] == "resume" for m in viewer.said))
        resume = next(m["token"] for m in viewer.said if m["type"] == "resume")
        masks = f"{served.url.replace('http', 'ws')}/sessions/{answer['session']}/masks"
        async with websockets.connect(masks, additional_headers=bearing) as socket:
            await socket.recv()
        again = OtherSide()
        offer = {"sdp": await again.offer(), "type": "offer", "resume": resume}
        assert (await http.post("/offer", json=offer, headers=bearing)).is_success
        await eventually(lambda: "ended: resumed" in written.getvalue())
        await viewer.close()
        await again.close()
    text = written.getvalue()
    (credential,) = {server["credential"] for server in config["iceServers"]}
    for secret in (good, bad, resume, TOKEN_SECRET, RESUME_SECRET, turn_secret, credential):
        assert secret not in text
        assert secret[-20:] not in text
    (ended,) = [line for line in lines(written) if "ended: resumed" in line["message"]]
    assert (ended["session"], ended["outcome"]) == (answer["session"], "resumed")
    assert ended["received"] >= ended["processed"] > 0
