import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import websockets
from fake_viewer import eventually
from films import HEIGHT, WIDTH, write_film
from served import Served, serving
from watching import watching

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
            said = [json.loads(await control.recv()) for _ in range(3)]
            assert {"source", "event"} <= {m["type"] for m in said}
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
