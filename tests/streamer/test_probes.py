"""What an orchestrator and an autoscaler are told, over HTTP, of services in trouble and in use."""

import asyncio
import threading
import time
from collections.abc import Sequence

import httpx
import numpy as np
import pytest
from fake_viewer import eventually
from loopback import OtherSide
from prometheus_client.parser import text_string_to_metric_families
from served import Served, serving

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from sam2_rt.tracking.frame import Frame

SDP = {"Content-Type": "application/sdp"}


class Hanging(FakeEngine):
    """Is at a step until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        self.may_go_on.wait(10)
        return super().step(requests)


def scrape(text: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}


async def viewers(served: Served) -> dict[str, float]:
    async with httpx.AsyncClient() as http:
        found = scrape((await http.get(f"{served.url}/metrics")).text)
    states = ("active", "draining", "waiting")
    return {state: found["streamer_viewers", state] for state in states}


async def test_an_engine_that_hangs_is_dead_to_the_orchestrator_and_one_that_is_slow_is_not():
    engine = Hanging()
    grey = tuple(np.zeros(size, np.uint8) for size in ((4, 4), (2, 2), (2, 2)))
    async with serving(lambda: engine, engine_stall_s=0.2) as served, httpx.AsyncClient() as http:
        worker = served.service.worker
        stream_id = await worker.open()
        stepping = asyncio.create_task(worker.step(StepRequest(stream_id, Frame(0, grey))))
        assert (await http.get(f"{served.url}/livez")).status_code == 200
        await eventually(lambda: worker.silent_s > 0.2)
        answer = await http.get(f"{served.url}/livez")
        assert (answer.status_code, "has been silent" in answer.json()["detail"]) == (503, True)
        age = scrape((await http.get(f"{served.url}/metrics")).text)
        assert age["streamer_engine_heartbeat_age_seconds",] > 0.2
        engine.may_go_on.set()
        await stepping
        await eventually(lambda: worker.silent_s < 0.2)
        assert (await http.get(f"{served.url}/livez")).status_code == 200


async def test_an_engine_with_nothing_to_do_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamer.engine_thread._BEAT_S", 0.02)
    async with serving() as served:
        beats = set()
        while len(beats) < 3:
            beats.add(served.service.worker._thread.beat_s)
            await asyncio.sleep(0.01)


async def test_while_the_event_loop_stands_still_no_probe_is_answered_and_the_metrics_are():
    async with serving(metrics_port=0) as served:
        own = f"http://127.0.0.1:{served.service.metrics_port}/metrics"
        answers: list[object] = []

        def probe() -> None:
            answers.append(httpx.get(own).status_code)
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{served.url}/livez", timeout=0.2)
            answers.append("no answer")

        probing = threading.Thread(target=probe)
        probing.start()
        while probing.is_alive():
            time.sleep(0.01)  # noqa: ASYNC251 (the loop is kept on purpose)
        assert answers == [200, "no answer"]
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{served.url}/livez")).status_code == 200
            assert (await http.get(f"{served.url}/metrics")).status_code == 404
            found = scrape((await http.get(own)).text)
        assert found["streamer_ready",] == 1
        assert found["streamer_warm_up_seconds",] > 0


async def test_a_full_service_is_ready_and_says_who_waits_and_who_drains():
    others = [OtherSide(), OtherSide()]
    async with serving(max_sessions=1) as served, httpx.AsyncClient(base_url=served.url) as http:
        assert await viewers(served) == {"active": 0, "draining": 0, "waiting": 0}
        codes = [
            (await http.post("/whip", content=await other.offer(), headers=SDP)).status_code
            for other in others
        ]
        assert codes == [201, 503]
        assert await viewers(served) == {"active": 1, "draining": 0, "waiting": 1}
        assert (await http.get("/readyz")).status_code == 200
        found = scrape((await http.get("/metrics")).text)
        assert found["streamer_offers_accepted_total",] == 1
        assert found["streamer_offers_refused_total", "full"] == 1
        assert found["streamer_ready",] == 1
        served.service.begin_drain(5)
        assert await viewers(served) == {"active": 0, "draining": 1, "waiting": 1}
        assert (await http.get("/readyz")).status_code == 503
        for other in others:
            await other.close()


async def test_who_finds_no_place_to_watch_waits_for_no_pod():
    async with serving(max_watchers=0) as served, httpx.AsyncClient(base_url=served.url) as http:
        viewer, watcher = OtherSide(), OtherSide()
        location = await viewer.connect(served.url)
        whep = location.replace("/whip/", "/whep/")
        answer = await http.post(whep, content=await watcher.offer(), headers=SDP)
        assert answer.status_code == 503
        found = scrape((await http.get("/metrics")).text)
        assert found["streamer_offers_refused_total", "watchers_full"] == 1
        assert (await viewers(served))["waiting"] == 0
        await viewer.close()
        await watcher.close()
