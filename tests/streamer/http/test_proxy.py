"""A session is used through a pod that does not have it: over real HTTP, with fake engines."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import httpx
import jwt
import pytest
import pytest_asyncio
from fake_viewer import eventually
from loopback import OtherSide
from pods import SECRET, pod, pods
from served import Served
from watching import watching
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.fleet.hop import LOAD_PATH
from streamer.fleet.peer_key import HEADER, PeerKey

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
KEY = PeerKey(SECRET)


class Stage:
    """Two pods; a viewer is at the first, all requests go to the second."""

    def __init__(self, here: Served, there: Served, viewer: OtherSide, answer: httpx.Response):
        self.here = here
        self.there = there
        self.viewer = viewer
        self.answer = answer
        self.location = answer.headers["location"]
        self.session_id = self.location.rpartition("/")[2]

    def passed_on(self, outcome: str) -> float:
        sample = self.there.service.metrics.registry.get_sample_value
        return sample("streamer_requests_passed_on_total", {"outcome": outcome}) or 0.0


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    async with pods() as (here, there), httpx.AsyncClient(base_url=here.url) as http:
        viewer = OtherSide()
        try:
            answer = await http.post("/whip", content=await viewer.offer(), headers=SDP)
            await viewer.accept(answer.text)
            await eventually(lambda: len(viewer.masks) >= 1)
            yield Stage(here, there, viewer, answer)
        finally:
            await viewer.close()


async def test_what_is_asked_of_the_wrong_pod_reaches_the_session(stage: Stage):
    async with httpx.AsyncClient(base_url=stage.there.url) as http:
        assert (await http.get(f"/sessions/{stage.session_id}")).status_code == 204
        ufrag = re.search(r"a=ice-ufrag:(\S+)", stage.viewer.connection.localDescription.sdp)[1]
        said = f"a=ice-ufrag:{ufrag}\r\na=end-of-candidates\r\n"
        etag = {"If-Match": stage.answer.headers["etag"]}
        patched = await http.patch(stage.location, content=said, headers={**FRAGMENT, **etag})
        assert patched.status_code == 204
        unmatched = await http.patch(
            stage.location, content=said, headers={**FRAGMENT, "If-Match": '"x"'}
        )
        assert (unmatched.status_code, "ETag" in unmatched.json()["detail"]) == (412, True)

        box = {"type": "prompt", "seq": 1, "track_id": 2, "box": [0.2, 0.2, 0.4, 0.6]}
        prompts = f"/sessions/{stage.session_id}/prompts"
        (ack,) = (await http.post(prompts, json={"messages": [box]})).json()["answers"]
        assert (ack["type"], ack["track_id"]) == ("ack", 2)

        async with watching(http, f"/whep/{stage.session_id}") as (watcher, joined):
            assert joined.status_code == 201
            await eventually(lambda: len(watcher.pictures) >= 1)
            left = await http.delete(joined.headers["location"])
            assert left.status_code == 200

        assert (await http.delete(stage.location)).status_code == 200
        await eventually(lambda: stage.here.service.num_open == 0)
    assert stage.passed_on("answered") == 7


async def read_to_the_end(reading: ClientConnection) -> None:
    async with asyncio.timeout(10):
        while True:
            await reading.recv()


async def test_masks_are_read_through_the_wrong_pod(stage: Stage):
    stage.viewer.click()
    url = stage.there.url.replace("http", "ws") + f"/sessions/{stage.session_id}/masks"
    async with connect(url + "?form=coco", proxy=None) as reading:
        async with asyncio.timeout(10):
            while not (objects := json.loads(await reading.recv())["objects"]):
                pass
        assert [item["track_id"] for item in objects] == [1]
        for wrong, status in ((url + "?form=morse", 400), (url + "/", 403)):
            with pytest.raises(InvalidStatus) as refused:
                await connect(wrong, proxy=None)
            assert refused.value.response.status_code == status
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, proxy=None, origin="https://elsewhere.example")
        assert refused.value.response.status_code == 403
        stage.here.service.begin_stop()
        with pytest.raises(ConnectionClosed, match="the session has ended"):
            await read_to_the_end(reading)


async def test_a_reader_who_leaves_is_let_go_by_both_pods(stage: Stage):
    url = stage.there.url.replace("http", "ws") + f"/sessions/{stage.session_id}/masks"
    stay = stage.here.service.stay(stage.session_id)
    async with connect(url, proxy=None) as reading:
        await reading.recv()
        assert stay.session.masks.num_readers == 1
    await eventually(lambda: stay.session.masks.num_readers == 0)


async def test_a_session_of_a_pod_that_is_gone_is_to_be_offered_anew():
    async with pods(1) as (here,), httpx.AsyncClient(base_url=here.url) as http:
        gone = KEY.name_session("http://127.0.0.1:9")
        for method, path in (
            ("DELETE", f"/whip/{gone}"),
            ("PATCH", f"/whip/{gone}"),
            ("GET", f"/sessions/{gone}"),
            ("POST", f"/whep/{gone}"),
        ):
            answer = await http.request(method, path, content=b"")
            assert (answer.status_code, answer.headers["content-type"]) == (
                404,
                "application/problem+json",
            )
            assert "offer anew" in answer.json()["detail"]
            assert answer.json()["code"] == "session_gone"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{here.url.replace('http', 'ws')}/sessions/{gone}/masks", proxy=None)
        assert b"offer anew" in refused.value.response.body


async def test_a_known_pod_that_does_not_listen_is_gone_too():
    async with pod(18_099, peers=["http://127.0.0.1:9"]) as here:
        gone = KEY.name_session("http://127.0.0.1:9")
        async with httpx.AsyncClient(base_url=here.url) as http:
            answer = await http.delete(f"/whip/{gone}")
        assert (answer.status_code, "offer anew" in answer.json()["detail"]) == (404, True)
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{here.url.replace('http', 'ws')}/sessions/{gone}/masks", proxy=None)
        assert refused.value.response.status_code == 404


async def test_a_request_makes_one_hop_only():
    async with pods() as (here, there), httpx.AsyncClient(base_url=here.url) as http:
        path = f"/sessions/{KEY.name_session(there.url)}"
        signed = {HEADER: here.service.fleet.sign("GET", path)}
        answer = await http.get(path, headers=signed)
        assert answer.status_code == 404
        sample = here.service.metrics.registry.get_sample_value
        assert not sample("streamer_requests_passed_on_total", {"outcome": "answered"})


async def test_the_load_is_told_to_peers_only():
    async with pods() as (here, there), httpx.AsyncClient(base_url=here.url) as http:
        assert (await http.get(LOAD_PATH)).status_code == 404
        forged = {HEADER: PeerKey("x" * 32).sign("GET", LOAD_PATH, 0)}
        assert (await http.get(LOAD_PATH, headers=forged)).status_code == 404
        signed = {HEADER: there.service.fleet.sign("GET", LOAD_PATH)}
        told = (await http.get(LOAD_PATH, headers=signed)).json()
        assert told == {"is_ready": True, "share": 0.0}


async def test_who_has_no_token_is_refused_by_the_pod_that_was_asked():
    secret = "a secret of the issuer of bearer tokens"
    async with pods(token_secret=secret) as (here, there):
        path = f"/sessions/{here.service.fleet.name_session()}"
        async with httpx.AsyncClient(base_url=there.url) as http:
            assert (await http.get(path)).status_code == 401
            sample = there.service.metrics.registry.get_sample_value
            assert sample("streamer_tokens_refused_total") == 1
            token = jwt.encode({"exp": 1 << 40}, secret, "HS256")
            answer = await http.get(path, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, "offer anew" in answer.json()["detail"]) == (404, True)


async def test_a_body_that_is_too_large_is_not_passed_on():
    async with pods(max_offer_bytes=100) as (here, there):
        path = f"/whip/{here.service.fleet.name_session()}"
        async with httpx.AsyncClient(base_url=there.url) as http:
            assert (await http.patch(path, content=b"x" * 101)).status_code == 413


async def test_a_page_elsewhere_reads_the_answer_of_another_pod():
    origin = "https://page.example"
    async with pods(cors_origins=[origin]) as (here, there):
        path = f"/sessions/{here.service.fleet.name_session()}"
        async with httpx.AsyncClient(base_url=there.url) as http:
            answer = await http.get(path, headers={"Origin": origin})
            assert answer.headers.get_list("access-control-allow-origin") == [origin]
