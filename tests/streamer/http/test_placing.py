"""An offer comes to one pod and is answered by the one with room: over real HTTP, fake engines."""

from pathlib import Path

import httpx
import jwt
import pytest
from clients import grey_frames
from fake_viewer import eventually
from films import write_film
from loopback import OtherSide
from pods import free_ports, pod, pods
from rtsp import camera, require_camera
from served import Served

from streamer.client import Client, Point


def open_in(*fleet: Served) -> list[int]:
    return [one.service.num_open for one in fleet]


async def offer(url: str, path: str = "/offer") -> httpx.Response:
    """Of a viewer who never comes."""
    viewer = OtherSide()
    try:
        sdp = await viewer.offer()
        async with httpx.AsyncClient(base_url=url) as http:
            if path == "/offer":
                return await http.post(path, json={"sdp": sdp, "type": "offer"})
            return await http.post(path, content=sdp, headers={"Content-Type": "application/sdp"})
    finally:
        await viewer.close()


def sample(of: Served, name: str, **labels: str) -> float:
    return of.service.metrics.registry.get_sample_value(f"streamer_{name}_total", labels) or 0.0


@pytest.mark.parametrize("path", ["/offer", "/whip"])
async def test_a_full_pod_has_its_peer_take_a_viewer_until_both_are_full(path: str):
    async with pods(max_sessions=1, retry_after_s=7) as (here, there):
        first, second = await offer(here.url, path), await offer(here.url, path)
        assert (first.is_success, second.is_success) == (True, True)
        assert open_in(here, there) == [1, 1]
        assert sample(here, "offers_passed_on") == 1
        third = await offer(here.url, path)
        assert (third.status_code, "all 1 places" in third.json()["detail"]) == (503, True)
        assert 7 <= int(third.headers["retry-after"]) <= 14
        assert sample(here, "offers_refused", reason="full") == 1
        assert sample(there, "offers_refused", reason="full") == 0, "a viewer is counted once"


async def test_a_pod_without_a_udp_port_asks_its_peers_and_says_503_at_last():
    (port,) = free_ports(1)
    async with pods(media_ports=(port, port)) as fleet:
        assert (await offer(fleet[0].url)).is_success
        refused = await offer(fleet[0].url)
        assert (refused.status_code, refused.json()["code"]) == (503, "no_ports")
        assert "retry-after" in refused.headers
        assert sample(fleet[0], "offers_refused", reason="no_ports") == 1


@pytest.mark.parametrize("limit", ["max_sessions", "max_sources"])
async def test_a_full_pod_has_its_peer_open_a_camera_until_both_are_full(
    limit: str, tmp_path: Path
):
    require_camera()
    film = write_film(tmp_path / "film.mp4", num_frames=300)
    async with camera(film) as cam:
        allowed = {"source_hosts": ("127.0.0.0/8",), "source_ports": (cam.port,)}
        async with (
            pods(**allowed, **{limit: 1}) as (here, there),
            httpx.AsyncClient(base_url=here.url) as http,
        ):
            wish = {"url": cam.url}
            first, second = [await http.post("/sources?output=blur", json=wish) for _ in range(2)]
            assert (first.status_code, second.status_code) == (201, 201)
            assert open_in(here, there) == [1, 1]
            assert second.headers["location"] == second.json()["location"]
            (stay,) = there.service._sessions.values()
            assert str(stay.session.display.output.mode) == "blur"
            told = (await http.get(second.json()["location"])).json()
            assert told["session"] == stay.session.session_id, "its address works at every pod"
            third = await http.post("/sources", json=wish)
            assert (third.status_code, "retry-after" in third.headers) == (503, True)
            assert (await http.delete(second.json()["location"])).status_code == 204
            await eventually(lambda: open_in(here, there) == [1, 0])


async def test_a_file_is_opened_by_the_pod_that_is_asked_for_it(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4")
    async with (
        pods(max_sessions=1, source_folder=tmp_path) as (here, there),
        httpx.AsyncClient(base_url=here.url) as http,
    ):
        wish = {"url": f"file://{film}", "loop": True}
        statuses = [(await http.post("/sources", json=wish)).status_code for _ in range(2)]
        assert statuses == [201, 503]
        assert open_in(here, there) == [1, 0]


async def test_pack_fills_one_pod_before_the_next_and_spread_does_not():
    async with pods(max_sessions=2, placement="pack") as (here, there):
        for url in (here.url, there.url):
            assert (await offer(url)).is_success
        assert open_in(here, there) == [2, 0]
    async with pods(max_sessions=2, placement="spread") as (here, there):
        for _ in range(2):
            assert (await offer(here.url)).is_success
        assert open_in(here, there) == [1, 1]


async def test_a_pod_that_drains_finds_its_viewers_a_place():
    async with pods() as (here, there):
        here.service.is_draining = True
        assert (await offer(here.url)).is_success
        assert open_in(here, there) == [0, 1]


async def test_a_pod_whose_peers_are_gone_serves_alone():
    here, gone = free_ports(2)
    async with pod(here, peers=[f"http://127.0.0.1:{gone}"], max_sessions=1) as served:
        assert (await offer(served.url)).is_success
        assert (await offer(served.url)).status_code == 503


async def test_what_is_wrong_with_an_offer_is_said_by_whoever_was_asked_to_take_it():
    async with pods() as (here, _):
        here.service.is_draining = True
        async with httpx.AsyncClient(base_url=here.url) as http:
            answer = await http.post("/offer", json={"sdp": "v=1", "type": "offer"})
        assert (answer.status_code, "no SDP" in answer.json()["detail"]) == (400, True)


async def test_a_viewer_who_comes_back_to_another_pod_is_taken_to_its_tracks():
    async with pods(max_sessions=1) as (here, there), Client(here.url, grey_frames()) as client:
        await client.prompt(1, points=[Point(0.25, 0.5)])
        await eventually(lambda: client._link.control.resume is not None)
        await client.move(there.url)
        assert (client.resumed, client.resumed_how) == ((1,), "memory")
        assert open_in(here, there) == [1, 0]


async def test_a_session_that_has_ended_elsewhere_goes_on_with_what_the_token_says():
    a, b = free_ports(2)
    peers = [f"http://127.0.0.1:{port}" for port in (a, b)]
    async with (
        pod(b, peers=peers) as there,
        pod(a, peers=peers) as here,
        Client(here.url, grey_frames()) as client,
    ):
        await client.prompt(1, points=[Point(0.25, 0.5)])
        await eventually(lambda: client._link.control.resume is not None)
        here.service.is_draining = True
        await client.move(here.url)
        assert (client.resumed, client.resumed_how) == ((1,), "boxes")
        assert sample(there, "resumes", outcome="taken") == 1
        assert sample(here, "resumes", outcome="taken") == 0
        await eventually(lambda: open_in(here, there) == [0, 1])


async def test_tokens_go_along_with_an_offer():
    secret = "a secret of the issuer of bearer tokens"
    async with pods(token_secret=secret) as (here, there):
        here.service.is_draining = True
        token = jwt.encode({"exp": 1 << 40}, secret, "HS256")
        async with Client(here.url, grey_frames(), token=token):
            assert open_in(here, there) == [0, 1]


async def test_a_pod_with_an_engine_at_its_limit_takes_nobody_new():
    async with pods(step_budget_ms=10.0) as (here, there):
        for _ in range(30):
            here.service._pace.add(0.5)
        assert here.service.load.share >= 1
        assert (await offer(here.url)).is_success
        assert open_in(here, there) == [0, 1]
