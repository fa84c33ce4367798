"""Limits of tokens, end to end: each is refused by name."""

import asyncio
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from fake_viewer import FakeViewer, eventually
from films import write_film
from loopback import OtherSide, connected
from resuming import resumed, tokens
from served import Served, serving
from session_stage import stage

from streamer.session.resume import Carried
from streamer.session.viewer import Outcome

SECRET = "s" * 32


def bearer(subject: str | None = "robot", **limits: object) -> dict[str, str]:
    claims = {"exp": time.time() + 60, "limits": limits}
    if subject is not None:
        claims["sub"] = subject
    return {"Authorization": "Bearer " + jwt.encode(claims, SECRET, algorithm="HS256")}


async def offered(served: Served, headers: dict[str, str]) -> tuple[httpx.Response, OtherSide]:
    other = OtherSide()
    async with httpx.AsyncClient(base_url=served.url) as http:
        body = {"sdp": await other.offer(), "type": "offer"}
        return await http.post("/offer", json=body, headers=headers), other


async def test_one_subject_has_so_many_sessions_and_another_comes_in():
    others: list[OtherSide] = []
    async with serving(token_secret=SECRET, max_sessions_per_subject=1) as served:
        try:
            statuses = []
            for headers in (
                bearer("a"),
                bearer("a"),
                bearer("a", max_sessions=5),
                bearer("b", max_sessions=0),
                bearer("b"),
                bearer(None),
                bearer(None),
            ):
                answer, other = await offered(served, headers)
                others.append(other)
                code = answer.json().get("code")
                statuses.append((answer.status_code, code))
                if code is not None:
                    assert int(answer.headers["retry-after"]) > 0
            full = (429, "subject_full")
            assert statuses == [(200, None), full, full, full, (200, None), (200, None), full]
            refused = served.service.metrics.offers_refused.labels("subject_full")
            assert refused._value.get() == 4
        finally:
            for other in others:
                await other.close()


async def test_a_token_s_limits_hold_for_its_session(tmp_path: Any):
    film = write_film(tmp_path / "film.mp4", num_frames=60)
    limits = {"max_fps": 5, "max_tracks": 1, "max_prompts_per_s": 2, "max_session_s": 3}
    headers = bearer(**limits)
    async with (
        serving(token_secret=SECRET, source_folder=tmp_path) as served,
        httpx.AsyncClient(base_url=served.url, headers=headers) as http,
    ):
        wish = {"url": f"file://{film}", "loop": True}
        session = (await http.post("/sources", json=wish)).json()["session"]
        stay = served.service.stay(session)
        boxes = [
            {"type": "prompt", "seq": i, "track_id": i, "box": [0.1, 0.1, 0.9, 0.9]} for i in (1, 2)
        ]
        path = f"/sessions/{session}/prompts"
        answers = (await http.post(path, json={"messages": boxes})).json()["answers"]
        assert [a.get("code") for a in answers] == [None, "too_many_tracks"]
        refused = await http.post(path, json={"messages": boxes})
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_prompts")
        await asyncio.wait_for(stay.has_ended.wait(), 10)
        dropped = served.service.metrics.registry.get_sample_value(
            "streamer_frames_dropped_total", {"reason": "rate"}
        )
        assert dropped is not None
        assert dropped > 0
        told = served.service.metrics.registry.get_sample_value(
            "streamer_sessions_ended_total", {"outcome": "time_up"}
        )
        assert told == 1


async def test_a_token_may_be_for_smaller_pictures_and_no_sources(tmp_path: Any):
    film = write_film(tmp_path / "film.mp4")
    async with (
        serving(token_secret=SECRET, source_folder=tmp_path, connect_timeout_s=0.5) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        wish = {"url": f"file://{film}", "loop": True}
        answer = await http.post("/sources", json=wish, headers=bearer(max_sources=0))
        assert (answer.status_code, answer.json()["code"]) == (429, "subject_sources_full")
        headers = bearer(max_frame_pixels=1000)
        answer = await http.post("/sources", json=wish, headers=headers)
        stay = served.service.stay(answer.json()["session"])
        await asyncio.wait_for(stay.has_ended.wait(), 10)
        too_large = served.service.metrics.registry.get_sample_value(
            "streamer_frames_dropped_total", {"reason": "too_large"}
        )
        assert too_large is not None
        assert too_large > 0


async def test_a_token_with_a_misspelt_limit_is_refused():
    async with serving(token_secret=SECRET) as served:
        answer, other = await offered(served, bearer(max_fsp=5))
        await other.close()
        assert answer.status_code == 401
        assert "limits cannot be read" in answer.headers["www-authenticate"]


async def test_a_session_s_time_and_rate_are_told_to_its_viewer():
    async with stage() as there:
        viewer = FakeViewer()
        running = there.enter(viewer, max_fps=1.0, max_session_s=0.3)
        for pts in (1, 2, 3):
            viewer.feed(pts)
        assert (await viewer.until("error"))["code"] == "too_fast"
        assert await running is Outcome.TIME_UP
        errors = [m for m in viewer.said if m["type"] == "error"]
        assert [e["code"] for e in errors] == ["too_fast", "ended"]
        assert "0.3 s of this session are over" in errors[1]["message"]
        assert there.engine.batch_sizes == [1]
        assert there.count("frames_dropped_total", reason="rate") == 2
        await eventually(lambda: viewer.is_closed)


@pytest.mark.parametrize("limits", [{"idle_timeout_s": 0.2}])
async def test_a_token_s_idle_time_is_shorter_than_the_service_s(limits: dict[str, float]):
    async with serving(token_secret=SECRET, idle_timeout_s=60) as served:
        answer, other = await offered(served, bearer(**limits))
        stay = served.service.stay(answer.json()["session"])
        assert stay.session._settings.idle_timeout_s == 0.2
        await other.close()
        assert json.loads(answer.text)["type"] == "answer"


async def test_a_session_that_goes_on_at_another_pod_ends_when_it_would_have_ended():
    pods = {"resume_secret": SECRET}
    async with serving(max_session_s=60, **pods) as here, serving(max_session_s=900, **pods) as far:
        other = OtherSide()
        async with connected(here.url) as viewer:
            viewer.click()
            await eventually(lambda: bool(tokens(viewer)))
            (stay,) = here.service._sessions.values()
            until_s = stay.session.term.until_s
            assert await resumed(far, other, tokens(viewer)[-1]) == [1]
        (stay,) = far.service._sessions.values()
        assert stay.session.term.until_s == until_s
        await eventually(lambda: any(m["type"] == "hello" for m in other.said))
        (hello,) = [m for m in other.said if m["type"] == "hello"]
        assert hello["limits"]["max_session_s"] <= 60, "what is left of it"
        await eventually(lambda: bool(tokens(other)))
        stay.session.term.lower(time.time())
        await asyncio.wait_for(stay.has_ended.wait(), 15)
        assert other.errors() == [("ended", None)]
        await other.close()


async def test_an_offer_that_would_go_on_with_what_is_over_is_refused_and_disturbs_nobody():
    async with serving() as served, connected(served.url):
        (stay,) = served.service._sessions.values()
        session_id = stay.session.session_id
        carried = Carried(session_id=session_id, seen_at_s=0.0, tracks=(), until_s=time.time())
        other = OtherSide()
        body = {"sdp": await other.offer(), "type": "offer"}
        async with httpx.AsyncClient(base_url=served.url) as http:
            token = served.service._seals.seal(carried).token
            answer = await http.post("/offer", json={**body, "resume": token})
            assert (answer.status_code, answer.json()["code"]) == (403, "time_up")
            assert "begin another" in answer.json()["detail"]
            assert (await http.post("/offer", json=body)).is_success, "a new one is welcome"
        assert not stay.has_ended.is_set()
        await other.close()
