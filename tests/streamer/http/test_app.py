import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from loopback import OtherSide
from prometheus_client.parser import text_string_to_metric_families

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.http.app import create_app
from streamer.service import Service
from streamer.worker import Steps

SDP = {"Content-Type": "application/sdp"}


@asynccontextmanager
async def loading(
    load: Callable[[], Steps], **settings: object
) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    """The app without a socket, from the moment it starts."""
    app = create_app(Settings(**settings), load)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as http,
    ):
        yield http, app.state.service


@asynccontextmanager
async def client(**settings: object) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    async with loading(FakeEngine, **settings) as (http, service):
        await service.worker.settled.wait()
        yield http, service


def refusals(service: Service) -> dict[str, float]:
    """Offers refused, by reason, where there were any."""
    samples = (s for family in service.metrics.registry.collect() for s in family.samples)
    refused = (s for s in samples if s.name == "streamer_offers_refused_total")
    return {s.labels["reason"]: s.value for s in refused if s.value}


async def test_deleting_a_session_that_has_ended_is_no_error():
    """Closing the channels ends it too, and the viewer's DELETE may come after."""
    other = OtherSide()
    async with client() as (http, service):
        created = await http.post("/whip", content=await other.offer(), headers=SDP)
        location = created.headers["location"]
        assert (await http.delete(location)).status_code == 200
        while service.num_open:  # noqa: ASYNC110 (the service has no event for it)
            await asyncio.sleep(0.01)
        assert (await http.delete(location)).status_code == 200
        await other.close()


async def test_whip_creates_a_session_and_delete_ends_it():
    other = OtherSide()
    async with client() as (http, service):
        created = await http.post("/whip", content=await other.offer(), headers=SDP)
        assert created.status_code == 201
        assert created.headers["content-type"].startswith("application/sdp")
        assert created.headers["etag"].strip('"')
        assert "a=candidate:" in created.text
        assert "a=end-of-candidates" in created.text
        assert "x-google-start-bitrate=2500" in created.text
        location = created.headers["location"]
        assert location.startswith("/whip/")
        assert service.num_open == 1
        assert (await http.delete(location)).status_code == 200
        await other.close()
    assert service.num_open == 0


async def test_the_json_offer_has_the_same_behaviour():
    other = OtherSide()
    async with client() as (http, _):
        body = {"sdp": await other.offer(), "type": "offer"}
        answer = (await http.post("/offer", json=body)).raise_for_status().json()
        assert answer["type"] == "answer"
        assert answer["location"] == f"/whip/{answer['session']}"
        assert "a=candidate:" in answer["sdp"]
        assert (await http.delete(answer["location"])).status_code == 200
        await other.close()


@pytest.mark.parametrize(
    ("method", "path", "content", "kind", "status"),
    [
        ("POST", "/whip", "hello", "application/sdp", 400),
        ("POST", "/whip", "", "application/sdp", 400),
        ("POST", "/whip", b"\xff\xfe", "application/sdp", 400),
        ("POST", "/whip", "v=0", "text/plain", 415),
        ("POST", "/whip", "v=0", "", 415),
        ("POST", "/whip", "v=0\r\n" * 20_000, "application/sdp", 413),
        ("POST", "/offer", "{", "application/json", 400),
        ("POST", "/offer", '{"sdp": "v=0", "type": "answer"}', "application/json", 400),
        ("POST", "/offer", '{"sdp": "hello", "type": "offer"}', "application/json", 400),
        ("POST", "/offer", '{"sdp": "v=0", "type": "offer"}', "application/json", 422),
        ("POST", "/whip", "v=0", "application/sdp", 422),
        ("POST", "/offer", "v=0", "application/sdp", 415),
        ("POST", "/offer", '{"sdp": "%s"}' % ("x" * 70_000), "application/json", 413),
        ("DELETE", "/whip/nobody", "", "", 404),
        ("GET", "/nothing", "", "", 404),
        ("GET", "/whip", "", "", 405),
        ("PUT", "/whip/nobody", "", "", 405),
        ("PATCH", "/whip/nobody", "", "application/trickle-ice-sdpfrag", 404),
    ],
)
async def test_a_bad_request_gets_a_problem(
    method: str, path: str, content: str | bytes, kind: str, status: int
):
    async with client() as (http, service):
        headers = {"Content-Type": kind} if kind else {}
        answer = await http.request(method, path, content=content, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert set(problem) == {"type", "title", "status", "detail"}
        assert (problem["status"], bool(problem["detail"])) == (status, True)
        assert service.num_open == 0


async def test_a_malformed_offer_is_counted_and_its_place_is_free_again():
    other = OtherSide()
    async with client(max_sessions=1) as (http, service):
        refused = await http.post("/whip", content="m=video\r\n", headers=SDP)
        assert refused.status_code == 400
        assert refusals(service) == {"malformed": 1}
        accepted = await http.post("/whip", content=await other.offer(), headers=SDP)
        assert accepted.status_code == 201
        await other.close()


@pytest.mark.parametrize(
    ("path", "content", "kind", "reason", "detail"),
    [
        ("/whip", "v=0", "text/plain", "wrong_type", "text/plain, not application/sdp"),
        ("/whip", "v=0\r\n" * 20_000, "application/sdp", "too_large", "more than 65536 bytes"),
        ("/whip", b"\xff\xfe", "application/sdp", "malformed", "the offer is not UTF-8"),
        ("/offer", "{", "application/json", "malformed", "Invalid JSON: EOF while parsing"),
        ("/offer", "[]", "application/json", "malformed", "Input should be an object"),
        (
            "/offer",
            '{"sdp": ""}',
            "application/json",
            "malformed",
            "no offer: type: Field required",
        ),
    ],
)
async def test_every_refusal_is_counted_once_and_said_in_a_sentence(
    path: str, content: str | bytes, kind: str, reason: str, detail: str
):
    async with client() as (http, service):
        answer = await http.post(path, content=content, headers={"Content-Type": kind})
        assert detail in answer.json()["detail"]
        assert "{" not in answer.json()["detail"]
        assert refusals(service) == {reason: 1}


async def test_an_answer_without_candidates_is_our_fault(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMER_MEDIA_ADDRESSES", '["192.0.2.1"]')  # RFC 5737: nobody's
    other = OtherSide()
    async with client() as (http, service):
        answer = await http.post("/whip", content=await other.offer(), headers=SDP)
        assert answer.status_code == 500
        assert "no address for media" in answer.json()["detail"]
        assert refusals(service) == {"no_candidates": 1}
        assert service.num_open == 0
        await other.close()


async def test_a_full_service_is_ready_and_says_when_to_come_back():
    first, second = OtherSide(), OtherSide()
    async with client(max_sessions=1, retry_after_s=7) as (http, _):
        await http.post("/whip", content=await first.offer(), headers=SDP)
        full = await http.post("/whip", content=await second.offer(), headers=SDP)
        assert (full.status_code, 7 <= int(full.headers["retry-after"]) <= 14) == (503, True)
        assert full.headers["content-type"] == "application/problem+json"
        assert (await http.get("/readyz")).status_code == 200
        await first.close()
        await second.close()


async def test_probes_follow_the_engine():
    may_load = threading.Event()

    def load() -> FakeEngine:
        may_load.wait(10)
        return FakeEngine()

    async with loading(load) as (http, service):
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/readyz")).status_code == 503
        early = await http.post("/whip", content="v=0", headers=SDP)
        assert (early.status_code, "retry-after" in early.headers) == (503, True)
        assert (await http.get("/config")).json()["is_trained"] is None
        may_load.set()
        await service.worker.settled.wait()
        assert (await http.get("/readyz")).status_code == 200
        service.begin_stop()
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 200


async def test_an_engine_that_cannot_be_loaded_is_neither_ready_nor_alive():
    def load() -> FakeEngine:
        raise FileNotFoundError("no weights")

    async with loading(load) as (http, service):
        await service.worker.settled.wait()
        assert (await http.get("/readyz")).status_code == 503
        assert (await http.get("/livez")).status_code == 503


async def test_metrics_are_valid():
    async with client() as (http, _):
        answer = await http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        families = {f.name: f for f in text_string_to_metric_families(answer.text)}
        assert families["streamer_ready"].samples[0].value == 1


async def test_config_tells_the_page_what_it_needs():
    async with client(ice_servers=[{"urls": "stun:127.0.0.1:3478"}]) as (http, _):
        config = (await http.get("/config")).json()
        server = {"urls": "stun:127.0.0.1:3478"}
        assert config == {"iceServers": [server], "model": "fake", "is_trained": False}


async def test_the_page_and_its_scripts_are_served():
    async with client() as (http, _):
        page = await http.get("/")
        assert page.headers["content-type"].startswith("text/html")
        script = await http.get("/web/client.js")
        assert "javascript" in script.headers["content-type"]
        assert (await http.get("/web/../app.py")).status_code == 404
        assert (await http.get("/web/%2e%2e/app.py")).status_code == 404
