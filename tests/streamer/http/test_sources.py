import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import websockets
from fake_viewer import eventually
from films import HEIGHT, WIDTH, write_film
from pods import pods
from served import Served, serving
from watching import watching

from streamer.picture.output import Mode

SECRET = "s" * 32
BOX = {"type": "prompt", "seq": 1, "track_id": 7, "box": [0.3, 0.3, 0.7, 0.7]}


@asynccontextmanager
async def show(folder: Path, **settings: object) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    async with (
        serving(source_folder=folder, **settings) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        yield served, http


async def opened(http: httpx.AsyncClient, path: Path, **wish: object) -> dict[str, Any]:
    answer = await http.post("/sources", json={"url": f"file://{path}", **wish})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/sources/{answer.json()['session']}"
    return dict(answer.json())


def bearer(subject: str, **limits: object) -> str:
    claims = {"exp": time.time() + 60, "sub": subject, "limits": limits}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def socket_url(served: Served, path: str) -> str:
    return served.url.replace("http", "ws") + path


async def test_a_file_is_a_session_with_prompts_masks_control_and_watchers(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4", num_frames=60)
    async with show(tmp_path) as (served, http):
        source = await opened(http, film, loop=True)
        session = source["session"]
        async with (
            websockets.connect(socket_url(served, f"/sources/{session}/control")) as control,
            websockets.connect(socket_url(served, f"/sessions/{session}/masks?form=coco")) as masks,
            watching(http, f"/whep/{session}") as (watcher, joined),
        ):
            assert joined.status_code == 201
            hello = json.loads(await control.recv())
            assert (hello["type"], hello["session"]) == ("hello", session)
            answer = await http.post(f"/sessions/{session}/prompts", json={"messages": [BOX]})
            assert answer.json()["answers"][0]["track_id"] == 7
            types: set[str] = set()
            while not {"source", "event"} <= types:
                types.add(json.loads(await control.recv())["type"])
            mask = json.loads(await masks.recv())
            while not mask["objects"]:
                mask = json.loads(await masks.recv())
            assert mask["objects"][0]["track_id"] == 7
            await eventually(lambda: len(watcher.pictures) >= 2)
            assert (watcher.pictures[-1].width, watcher.pictures[-1].height) == (WIDTH, HEIGHT)
        told = (await http.get(f"/sources/{session}")).json()
        assert (told["state"], told["width"], told["height"]) == ("playing", WIDTH, HEIGHT)
        assert (await http.delete(f"/sources/{session}")).status_code == 204
        await eventually(lambda: served.service.num_open == 0)
        assert (await http.get(f"/sources/{session}")).json()["state"] == "ended"


async def test_the_end_of_a_file_ends_its_session_and_says_so(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4", num_frames=6)
    async with show(tmp_path) as (served, http):
        session = (await opened(http, film))["session"]
        async with websockets.connect(socket_url(served, f"/sources/{session}/control")) as control:
            said = [json.loads(text) async for text in control]
            assert said[-1] == {"type": "source", "state": "ended", "reason": "the end of the file"}
            assert control.close_code == 1001
            assert control.close_reason == "the session has ended: the end of the file"
        assert (await http.get(f"/sources/{session}")).json()["frames"] == 6
        ended = served.service.metrics.sessions_ended.labels("finished")
        await eventually(lambda: ended._value.get() == 1)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"url": "rtsp://10.0.0.1/x"}, 403, "not_allowed"),
        ({"url": "http://10.0.0.1/x"}, 403, "not_allowed"),
        ({"url": "v4l2:///dev/video0"}, 403, "not_allowed"),
        ({"url": "file:///etc/passwd"}, 403, "not_allowed"),
        ({"url": "file://FOLDER/none.mp4"}, 404, "not_found"),
        ({"url": "file://FOLDER/text.mp4"}, 502, "unreadable"),
        ({"url": "rtsp://10.0.0.1:x/"}, 400, "bad_url"),
        ({"url": "rtsp://[::1/x"}, 400, "bad_url"),
        ({"url": 7}, 422, "bad_body"),
        ({"url": "file:///x", "lop": True}, 422, "bad_body"),
    ],
)
async def test_what_may_not_be_opened_is_a_named_problem_and_takes_no_place(
    tmp_path: Path, body: dict[str, object], status: int, code: str
):
    (tmp_path / "text.mp4").write_text("no film")
    body = {
        name: str(v).replace("FOLDER", str(tmp_path)) if name == "url" and v != 7 else v
        for name, v in body.items()
    }
    async with show(tmp_path, max_sources=1, max_sessions=1) as (_, http):
        for _ in range(2):  # a place that was not given back would answer 503
            answer = await http.post("/sources", json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_there_are_no_more_sources_than_set_and_a_place_comes_free(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4")
    async with show(tmp_path, max_sources=1) as (served, http):
        first = await opened(http, film, loop=True)
        answer = await http.post("/sources", json={"url": f"file://{film}"})
        assert (answer.status_code, answer.json()["code"]) == (503, "sources_full")
        assert int(answer.headers["retry-after"]) > 0
        await http.delete(first["location"])
        await eventually(lambda: served.service.num_open == 0)
        await opened(http, film)


async def test_one_program_at_a_time_has_the_control(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4")
    async with show(tmp_path) as (served, http):
        url = socket_url(served, (await opened(http, film, loop=True))["location"] + "/control")
        async with websockets.connect(url) as control:
            await control.recv()
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await websockets.connect(url)
            assert refusal.value.response.status_code == 409
            await control.send('{"type": "configure", "seq": 5, "output": "blur"}')
            await control.send('{"type": "nonsense"}')
            types: set[str] = set()
            while not {"source", "ack", "error"} <= types:
                types.add(json.loads(await control.recv())["type"])
            (stay,) = served.service._sessions.values()
            assert stay.session.display.output.mode is Mode.BLUR
        for _ in range(50):  # the service hears of it a moment later
            try:
                async with websockets.connect(url) as again:
                    assert json.loads(await again.recv())["type"] == "hello"
                    break
            except websockets.InvalidStatus:
                await asyncio.sleep(0.02)
        else:
            raise AssertionError("the control did not come free")


async def test_a_drain_asks_the_controller_to_migrate_and_another_service_goes_on(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4", num_frames=60)
    secret = {"resume_secret": "r" * 32}
    async with show(tmp_path, **secret) as (served, http), show(tmp_path, **secret) as (_, other):
        source = await opened(http, film, loop=True)
        url = socket_url(served, source["location"] + "/control")
        async with websockets.connect(url) as control:
            answer = await http.post(
                f"/sessions/{source['session']}/prompts", json={"messages": [BOX]}
            )
            assert answer.status_code == 200
            served.service.begin_drain(30)
            said: list[dict[str, Any]] = []
            while not {"migrate", "resume"} <= {m["type"] for m in said}:
                said.append(json.loads(await control.recv()))
            refused = await http.post("/sources", json={"url": f"file://{film}"})
            assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
            assert int(refused.headers["retry-after"]) > 0
            token = next(m["token"] for m in reversed(said) if m["type"] == "resume")
            again = await opened(other, film, loop=True, resume=token)
            assert again["resumed"] == [7]


async def test_sources_are_shown_to_their_subject_alone(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4")
    mine, yours = ({"Authorization": f"Bearer {bearer(sub)}"} for sub in ("me", "you"))
    async with show(tmp_path, token_secret=SECRET) as (_, http):
        wish = {"url": f"file://{film}", "loop": True}
        assert (await http.post("/sources", json=wish)).status_code == 401
        answer = await http.post("/sources", json=wish, headers=mine)
        assert answer.status_code == 201
        for headers, count in ((mine, 1), (yours, 0)):
            assert len((await http.get("/sources", headers=headers)).json()["sources"]) == count
        for headers, status in ((yours, 404), (mine, 200)):
            there = await http.get(answer.json()["location"], headers=headers)
            assert there.status_code == status


async def test_the_api_s_description_names_body_and_refusals(tmp_path: Path):
    async with show(tmp_path) as (_, http):
        paths = (await http.get("/openapi.json")).json()["paths"]
        post = paths["/sources"]["post"]
        body = post["requestBody"]["content"]["application/json"]["schema"]
        assert set(body["properties"]) == {"url", "loop", "resume"}
        assert {"201", "403", "429", "502", "503"} <= set(post["responses"])
        assert list(post["responses"]["403"]["content"]) == ["application/problem+json"]
        assert set(paths["/sources/{session_id}"]) == {"get", "delete"}


async def test_a_source_is_reached_through_another_pod(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4")
    async with pods(source_folder=tmp_path) as (here, there):
        async with httpx.AsyncClient(base_url=here.url) as http:
            location = (await opened(http, film, loop=True))["location"]
        async with (
            httpx.AsyncClient(base_url=there.url) as http,
            websockets.connect(socket_url(there, f"{location}/control")) as control,
        ):
            assert json.loads(await control.recv())["type"] == "hello"
            await control.send('{"type": "ping", "seq": 4}')
            while (said := json.loads(await control.recv()))["type"] != "pong":
                pass
            assert said["seq"] == 4
            assert (await http.get(location)).json()["location"] == location
            assert (await http.delete(location)).status_code == 204
        await eventually(lambda: here.service.num_open == 0)
