"""Prompts over HTTP: a machine says what to track in a session that another program sends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from fake_viewer import eventually
from loopback import OtherSide, connected
from served import Served, serving

from sam2_rt import rle
from sam2_rt.engine import StepRequest, StepResult
from streamer.http import prompts as app_prompts
from streamer.protocol import MAX_PROMPTS_WAITING

BOX = {"type": "prompt", "seq": 7, "track_id": 3, "box": [0.25, 0.25, 0.75, 0.75]}
REMOVE = {"type": "remove", "seq": 8, "track_id": 3}


@dataclass
class Machine:
    """A program with a word in the session of another."""

    served: Served
    viewer: OtherSide
    http: httpx.AsyncClient
    path: str

    async def post(self, *messages: object) -> httpx.Response:
        return await self.http.post(self.path, json={"messages": messages})

    async def ask(self, *messages: object) -> list[dict[str, Any]]:
        return (await self.post(*messages)).raise_for_status().json()["answers"]

    def heard(self, kind: str) -> list[dict[str, Any]]:
        return [said for said in self.viewer.said if said["type"] == kind]


@asynccontextmanager
async def machine() -> AsyncIterator[Machine]:
    async with (
        serving() as served,
        connected(served.url) as viewer,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        (session_id,) = served.service._sessions
        yield Machine(served, viewer, http, f"/sessions/{session_id}/prompts")


async def test_a_box_begins_a_track_and_a_removal_ends_it():
    async with machine() as robot:
        (ack,) = await robot.ask(BOX)
        assert (ack["type"], ack["seq"], ack["track_id"]) == ("ack", 7, 3)
        await eventually(lambda: [o.track_id for o in robot.viewer.masks[-1].objects] == [3])
        (gone,) = await robot.ask(REMOVE)
        assert (gone["type"], gone["seq"]) == ("ack", 8)
        await eventually(lambda: len(robot.heard("event")) == 2)
        assert [event["kind"] for event in robot.heard("event")] == ["added", "removed"]


async def test_a_machine_takes_its_last_word_back():
    async with machine() as robot:
        await robot.ask(BOX, {**BOX, "seq": 8, "box": [0.5, 0.5, 0.7, 0.7]})
        undo = {"type": "undo", "seq": 9, "track_id": 3}
        (ack,) = await robot.ask(undo)
        assert (ack["type"], ack["seq"], ack["track_id"]) == ("ack", 9, 3)
        answers = await robot.ask(undo, undo)
        assert [(a["type"], a.get("code")) for a in answers] == [
            ("ack", None),
            ("error", "unknown_track"),
        ]
        await eventually(lambda: [e["kind"] for e in robot.heard("event")] == ["added", "removed"])


async def test_its_answers_and_numbers_are_its_own_and_not_the_viewers():
    async with machine() as robot:
        robot.viewer.click(seq=1, track_id=1)
        await eventually(lambda: len(robot.heard("ack")) == 1)
        await robot.ask(BOX)
        await eventually(lambda: len(robot.viewer.masks[-1].objects) == 2)
        assert [ack["seq"] for ack in robot.heard("ack")] == [1]
        assert robot.viewer.masks[-1].prompt_seq == 1


async def test_each_message_is_answered_in_its_place():
    async with machine() as robot:
        boxes = [{**BOX, "seq": n, "track_id": n} for n in (1, 2, 3)]
        answers = await robot.ask(*boxes, {**REMOVE, "seq": 4, "track_id": 9})
        assert [(a["type"], a["seq"], a.get("code")) for a in answers] == [
            ("ack", 1, None),
            ("ack", 2, None),
            ("error", 3, "too_many_tracks"),
            ("error", 4, "unknown_track"),
        ]


async def test_points_and_masks_are_taken_as_from_the_control_channel():
    mask = np.zeros((96, 128), np.bool_)
    mask[20:60, 30:90] = True
    points = {"type": "prompt", "seq": 1, "track_id": 1, "points": [[0.5, 0.5, 1]]}
    drawn = {"type": "prompt", "seq": 2, "track_id": 2, "mask": rle.to_json(mask), "clear": True}
    async with machine() as robot:
        assert [a["type"] for a in await robot.ask(points, drawn)] == ["ack", "ack"]


async def test_a_frame_that_is_named_and_still_kept_takes_the_prompt():
    async with machine() as robot:
        seen = robot.viewer.masks[-1]
        (ack,) = await robot.ask({**BOX, "rtp_timestamp": seen.in_rtp})
        named = {"index": seen.index, "rtp_timestamp": seen.in_rtp}
        assert (ack["frame"], ack["applied_to"]) == (named, "exact")
        (ack,) = await robot.ask({**BOX, "rtp_timestamp": (seen.in_rtp - 900_000) % 2**32})
        assert ack["applied_to"] == "newest"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff", 400),
        (b"[]", 400),
        (b'{"messages": []}', 400),
        (b'{"messages": [{"type": "ping", "seq": 1}]}', 400),
        (
            b'{"messages": [{"type": "prompt", "seq": 1, "track_id": 1, "box": [0, 0, NaN, 1]}]}',
            400,
        ),
        (b'{"messages": [{"type": "prompt", "seq": 1, "track_id": 1}]}', 422),
        (b'{"messages": [{"type": "prompt", "seq": 1, "track_id": 1, "box": [0, 0, 7, 1]}]}', 422),
        (b" " * 70_000, 413),
    ],
)
async def test_what_cannot_be_used_is_a_problem_and_changes_nothing(body: bytes, status: int):
    async with machine() as robot:
        headers = {"Content-Type": "application/json"}
        refused = await robot.http.post(robot.path, content=body, headers=headers)
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"
        assert robot.heard("event") == []


async def test_one_bad_message_stops_those_beside_it():
    async with machine() as robot:
        assert (await robot.post(BOX, {**BOX, "seq": 9, "box": [0, 0, 7, 1]})).status_code == 422
        assert [a["type"] for a in await robot.ask(REMOVE)] == ["error"]


async def test_more_than_fit_are_refused_together():
    many = [{**BOX, "seq": n} for n in range(MAX_PROMPTS_WAITING)]
    async with machine() as robot:
        assert (await robot.post(*many, BOX)).status_code == 400
        robot.viewer.camera.runs.clear()  # no frame: nothing is taken up
        await asyncio.sleep(0.3)
        waiting = asyncio.create_task(robot.post(*many))
        await asyncio.sleep(0.3)
        busy = await robot.post(BOX)
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
        robot.viewer.camera.runs.set()
        assert len((await waiting).raise_for_status().json()["answers"]) == MAX_PROMPTS_WAITING


async def test_a_session_without_frames_answers_in_time_and_withdraws(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(app_prompts, "_STEP_S", 0.2)
    async with machine() as robot:
        robot.viewer.camera.runs.clear()
        await asyncio.sleep(0.3)
        assert (await robot.post(BOX)).status_code == 504
        robot.viewer.camera.runs.set()
        before = len(robot.viewer.masks)
        await eventually(lambda: len(robot.viewer.masks) > before + 2)
        assert robot.viewer.masks[-1].objects == ()


async def test_who_waits_is_told_when_the_session_ends():
    async with machine() as robot:
        robot.viewer.camera.runs.clear()
        await asyncio.sleep(0.3)
        waiting = asyncio.create_task(robot.post(BOX))
        await asyncio.sleep(0.2)
        await robot.viewer.close()
        assert (await waiting).status_code == 404
        assert (await robot.post(BOX)).status_code == 404
        assert (
            robot.served.service.metrics.registry.get_sample_value("streamer_session_errors_total")
            == 0
        )


async def test_only_json_is_read():
    async with machine() as robot:
        refused = await robot.http.post(robot.path, content="{}", headers={"Content-Type": "a/b"})
        assert refused.status_code == 415


async def test_a_detector_s_boxes_begin_tracks_that_the_answers_name():
    async with machine() as robot:
        yolo = {"type": "detection", "seq": 1, "box": [0.5, 0.5, 0.2, 0.4]}
        ros = {"type": "detection", "seq": 2, "box": [30, 20, 40, 60], "size": [128, 96]}
        first, second = await robot.ask(yolo, ros)
        assert [first["type"], second["type"]] == ["ack", "ack"]
        assert first["track_id"] != second["track_id"]
        named = {first["track_id"], second["track_id"]}
        await eventually(lambda: {o.track_id for o in robot.viewer.masks[-1].objects} == named)
        (again,) = await robot.ask({**yolo, "track_id": first["track_id"]})
        assert again["track_id"] == first["track_id"]


AUTO = {"type": "auto", "seq": 5}


async def test_objects_are_looked_for_and_each_track_that_begins_is_acknowledged():
    async with machine() as robot:
        (ack,) = await robot.ask({**AUTO, "how": "center"})
        assert (ack["type"], ack["seq"], ack["track_id"]) == ("ack", 5, 1)
        assert ack["applied_to"] == "exact"
        (gone, ack) = await robot.ask(REMOVE, {**AUTO, "how": "grid"})
        assert (gone["code"], ack["seq"], ack["track_id"]) == ("unknown_track", 5, 2)
        await eventually(lambda: [o.track_id for o in robot.viewer.masks[-1].objects] == [1, 2])
        assert robot.heard("ack") == [], "the viewer hears of them by events"
        (full,) = await robot.ask({**AUTO, "how": "largest"})
        assert (full["seq"], full["code"]) == (5, "too_many_tracks")
        sample = robot.served.service.metrics.registry.get_sample_value
        found = {"kind": "auto", "outcome": "applied"}
        assert sample("streamer_prompts_total", found) == 2


async def test_a_grid_that_finds_several_is_answered_with_as_many_acks():
    async with machine() as robot:
        answers = await robot.ask({**AUTO, "how": "grid"}, {**REMOVE, "track_id": 9})
        assert [answer["seq"] for answer in answers] == [5, 5, 8], "in the order of the messages"
        assert [answer.get("track_id") for answer in answers] == [1, 2, None]


async def test_two_searches_at_a_time_are_refused():
    async with machine() as robot:
        twice = [{**AUTO, "seq": n, "how": "center"} for n in (1, 2)]
        assert (await robot.post(*twice)).status_code == 400
        assert (await robot.post({**AUTO, "how": "all"})).status_code == 400
        assert robot.heard("event") == []


async def test_a_search_that_nobody_waits_for_any_more_begins_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(app_prompts, "_SEARCH_S", 0.1)
    async with machine() as robot:
        (stay,) = robot.served.service._sessions.values()
        step, may_go_on = robot.served.service.worker.step, asyncio.Event()

        async def held(request: StepRequest) -> StepResult:
            await may_go_on.wait()
            return await step(request)

        monkeypatch.setattr(robot.served.service.worker, "step", held)
        assert (await robot.post({**AUTO, "how": "grid"})).status_code == 504
        robot.viewer.tell(type="auto", seq=1, how="center")  # waits behind it
        may_go_on.set()
        await eventually(lambda: len(robot.heard("ack")) == 1)
        assert [o.track_id for o in stay.session.last_result.masks] == [1], "the centre's alone"


async def test_the_description_shows_what_may_be_said():
    async with machine() as robot:
        paths = (await robot.http.get("/openapi.json")).json()["paths"]
        post = paths["/sessions/{session_id}/prompts"]["post"]
        body = post["requestBody"]["content"]["application/json"]["schema"]
        kinds = body["properties"]["messages"]["items"]["oneOf"]
        assert {kind["properties"]["type"]["const"] for kind in kinds} == {
            "prompt",
            "detection",
            "undo",
            "remove",
            "auto",
        }
        assert "$defs" not in str(body)
        assert {"200", "404", "422", "429", "504"} <= set(post["responses"])
