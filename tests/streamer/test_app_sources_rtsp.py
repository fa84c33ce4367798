"""Against GStreamer's RTSP server, as a camera on the network is."""

import json
import logging
import socket
from pathlib import Path

import httpx
import pytest
import websockets
from fake_viewer import eventually
from films import HEIGHT, WIDTH, write_film
from rtsp import camera, require_camera
from served import serving

from streamer.sources import source as source_module

ALLOWED = {"source_hosts": ("127.0.0.0/8",)}


@pytest.fixture(autouse=True)
def _camera_is_installed() -> None:
    require_camera()


async def test_a_camera_that_goes_away_is_found_again_and_the_session_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(source_module, "FIRST_PAUSE_S", 0.1)
    film = write_film(tmp_path / "film.mp4", num_frames=900)
    async with (
        camera(film) as cam,
        serving(**ALLOWED, source_ports=(cam.port,)) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        answer = await http.post("/sources", json={"url": cam.url})
        assert answer.status_code == 201, answer.text
        path = answer.json()["location"]
        stay = served.service.stay(answer.json()["session"])
        async with websockets.connect(served.url.replace("http", "ws") + f"{path}/control") as it:
            assert json.loads(await it.recv())["type"] == "hello"
            await eventually(lambda: stay.session.last_result is not None)
            box = {"type": "prompt", "seq": 3, "track_id": 1, "box": [0.2, 0.2, 0.8, 0.8]}
            await it.send(json.dumps(box))
            while (said := json.loads(await it.recv()))["type"] != "ack":
                pass
            assert (said["seq"], said["track_id"]) == (3, 1)
            await cam.leave()
            while (said := json.loads(await it.recv()))["type"] != "source":
                pass
            assert said["state"] == "reconnecting"
            last = stay.session.last_result
            assert last is not None
            async with camera(film, cam.port):
                await eventually(lambda: stay.session.last_result.index > last.index + 2)
                assert stay.session.last_result.pts > last.pts
                assert [m.track_id for m in stay.session.last_result.masks] == [1]
                told = (await http.get(path)).json()
                assert (told["state"], told["attempts"] > 1) == ("playing", True)
                assert (told["width"], told["height"]) == (WIDTH, HEIGHT)
                assert (await http.delete(path)).status_code == 204
                await eventually(lambda: served.service.num_open == 0)


async def test_a_camera_that_stays_away_ends_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(source_module, "FIRST_PAUSE_S", 0.1)
    film = write_film(tmp_path / "film.mp4", num_frames=900)
    patience = {"source_retry_s": 0.5, "idle_timeout_s": 0.5}
    async with (
        camera(film) as cam,
        serving(**ALLOWED, **patience, source_ports=(cam.port,)) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        location = (await http.post("/sources", json={"url": cam.url})).json()["location"]
        await eventually(lambda: served.service.metrics.frames_processed._value.get() > 0)
        await cam.leave()
        await eventually(lambda: served.service.num_open == 0)
        assert served.service.metrics.sessions_ended.labels("idle")._value.get() == 1
        assert (await http.get(location)).json()["state"] == "ended"


async def test_a_password_is_in_no_log_and_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(source_module, "FIRST_PAUSE_S", 0.05)
    caplog.set_level(logging.DEBUG)
    film = write_film(tmp_path / "film.mp4", num_frames=900)
    async with (
        camera(film, login=("me", "s3cret")) as cam,
        serving(**ALLOWED, source_ports=(cam.port,)) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        texts = []
        for password, status in (("wr0ng", 502), ("s3cret", 201)):
            url = cam.url.replace("//", f"//me:{password}@") + "?key=s3cret"
            answer = await http.post("/sources", json={"url": url})
            assert answer.status_code == status, answer.text
            texts.append(answer.text)
        location = answer.json()["location"]
        await cam.leave()
        await eventually(lambda: "again in" in caplog.text)
        texts += [(await http.get(location)).text, caplog.text]
        assert answer.json()["url"] == f"rtsp://127.0.0.1:{cam.port}/cam?..."
        assert not any("s3cret" in text or "wr0ng" in text for text in texts)


async def test_nobody_at_the_port_is_a_bad_gateway():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with (
        serving(**ALLOWED, source_ports=(port,)) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        answer = await http.post("/sources", json={"url": f"rtsp://127.0.0.1:{port}/cam"})
        assert (answer.status_code, answer.json()["code"]) == (502, "unreadable")
        assert served.service.num_open == 0
