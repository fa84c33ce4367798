import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Prompt
from streamer.protocol import MAX_PROMPTS_WAITING, ConfigureMessage
from streamer.session.conversation import Conversation
from streamer.session.handover import Resumed
from streamer.session.limits import LimitSettings
from streamer.session.session_limits import SessionLimits
from streamer.session.viewer import Arrival
from streamer.telemetry.metrics import Metrics


class Talk:
    """A conversation with a stream of the fake engine behind it."""

    def __init__(self, max_tracks: int = 16, **settings: float) -> None:
        self.said: list[dict[str, Any]] = []
        self.metrics = Metrics()
        self.conversation = Conversation(
            lambda text: self.said.append(json.loads(text)),
            self.metrics,
            SessionLimits(LimitSettings(**settings), max_tracks),
        )
        self.engine = FakeEngine()
        self.stream_id = self.engine.open()
        self.pts = 0

    def hear(self, **message: object) -> None:
        self.conversation.hear(json.dumps(message))

    def click(self, seq: int, track_id: int = 1) -> None:
        self.hear(type="prompt", seq=seq, track_id=track_id, points=[[0.5, 0.5, 1]])

    def step(self) -> list[tuple[str, int | None, object]]:
        """(type, seq or None, code or kind or applied_to) of what one step made it say."""
        self.pts += 1
        planes = tuple(np.zeros(size, np.uint8) for size in ((4, 4), (2, 2), (2, 2)))
        question = self.conversation.ask(self.stream_id, Arrival(Frame(self.pts, planes), 9, 0.0))
        before = len(self.said)
        (result,) = self.engine.step([question.request])
        self.conversation.answer(question, result)
        detail = ("code", "kind", "applied_to")
        return [
            (m["type"], m.get("seq"), next(m[d] for d in detail if d in m))
            for m in self.said[before:]
        ]

    def count(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels)


def test_a_track_comes_and_goes():
    talk = Talk()
    talk.click(1)
    assert talk.step() == [("ack", 1, "exact"), ("event", None, "added")]
    talk.hear(type="remove", seq=2, track_id=1)
    assert talk.step() == [("ack", 2, "exact"), ("event", None, "removed")]
    assert talk.count("prompts_total", kind="points", outcome="applied") == 1
    assert talk.count("prompts_total", kind="remove", outcome="applied") == 1
    assert talk.conversation.prompt_seq == 1


def test_a_prompt_then_its_removal_are_two_steps():
    talk = Talk()
    talk.click(1)
    talk.hear(type="remove", seq=2, track_id=1)
    assert talk.step()[0] == ("ack", 1, "exact")
    assert talk.step()[0] == ("ack", 2, "exact")


def test_the_last_word_is_taken_back_and_with_the_only_one_the_track():
    talk = Talk()
    talk.click(1)
    talk.hear(type="prompt", seq=2, track_id=1, points=[[0.9, 0.1, 1]])
    talk.hear(type="undo", seq=3, track_id=1)
    assert talk.step() == [
        ("ack", 1, "exact"),
        ("ack", 2, "exact"),
        ("ack", 3, "exact"),
        ("event", None, "added"),
    ]
    assert talk.engine.streams[talk.stream_id].centres == {1: (0.5, 0.5)}
    talk.hear(type="undo", seq=4, track_id=1)
    assert talk.step() == [("ack", 4, "exact"), ("event", None, "removed")]
    assert talk.count("prompts_total", kind="undo", outcome="applied") == 2


def test_an_undo_of_what_is_not_there_is_refused_also_where_no_track_has_room():
    talk = Talk(max_tracks=1)
    talk.click(1)
    talk.hear(type="undo", seq=2, track_id=9)
    assert talk.step()[1] == ("error", 2, "unknown_track")
    assert talk.count("prompts_total", kind="undo", outcome="unknown_track") == 1


def test_an_undo_is_one_of_so_many_words_a_second():
    talk = Talk(max_prompts_per_s=1)
    talk.click(1)
    talk.hear(type="undo", seq=2, track_id=1)
    assert talk.said[0]["code"] == "too_many_prompts"


def test_what_the_engine_refuses_is_an_error_with_its_seq():
    talk = Talk()
    talk.hear(type="remove", seq=4, track_id=9)
    for track_id in (1, 2, 3):
        talk.click(track_id + 4, track_id)
    answers = talk.step()
    assert answers[0] == ("error", 4, "unknown_track")
    assert answers[3] == ("error", 7, "too_many_tracks")
    assert talk.count("messages_refused_total", code="unknown_track") == 1
    assert talk.count("prompts_total", kind="points", outcome="too_many_tracks") == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        (b"\x00\xff", "bad_message"),
        ('{"type": "prompt", "seq": 1, "track_id": 1, "points": [[2, 0, 1]]}', "bad_prompt"),
        (" " * 70_000, "too_large"),
    ],
)
def test_what_cannot_be_read_is_answered_at_once_and_counted(text: str | bytes, code: str):
    talk = Talk()
    talk.conversation.hear(text)
    assert talk.said[0]["code"] == code
    assert talk.count("messages_refused_total", code=code) == 1
    assert talk.step() == []


def test_one_prompt_too_many_is_answered_busy_and_the_rest_is_carried_out():
    talk = Talk()
    for seq in range(MAX_PROMPTS_WAITING + 1):
        talk.click(seq)
    assert (talk.said[0]["code"], talk.said[0]["seq"]) == ("busy", MAX_PROMPTS_WAITING)
    assert sum(kind == "ack" for kind, _, _ in talk.step()) == MAX_PROMPTS_WAITING


def test_a_mask_that_has_no_room_is_not_decoded(monkeypatch: pytest.MonkeyPatch):
    talk = Talk()
    for seq in range(MAX_PROMPTS_WAITING):
        talk.click(seq)
    monkeypatch.delattr("streamer.protocol.rle.decode")
    talk.hear(type="prompt", seq=99, track_id=1, mask={"size": [2, 2], "counts": "4"})
    assert [(m["code"], m["seq"]) for m in talk.said] == [("busy", 99)]


def test_a_ping_is_answered_at_once_and_a_configure_handed_on():
    talk = Talk()
    handed: list[ConfigureMessage] = []
    talk.conversation.on_configure = handed.append
    talk.hear(type="ping", seq=7)
    talk.hear(type="configure", seq=8, output="none")
    assert talk.said == [{"type": "pong", "seq": 7}]
    assert [(message.seq, message.output) for message in handed] == [(8, "none")]


def test_restored_tracks_begin_at_once_and_are_told_after_the_greeting():
    talk = Talk()
    boxes = [Prompt(5, box=(0.0, 0.0, 0.5, 0.5)), Prompt(6, box=(0, 0, 1, 1))]
    talk.conversation.restore(Resumed(how="boxes", tracks=(5, 6)), boxes)
    assert talk.step() == []
    assert set(talk.engine.streams[talk.stream_id].centres) == {5, 6}
    talk.conversation.greet("a", FakeEngine.info)
    assert [m["type"] for m in talk.said] == ["hello", "event", "event"]
    assert talk.said[0]["resumed"] == {"how": "boxes", "tracks": [5, 6]}
    assert [m["track_id"] for m in talk.said[1:]] == [5, 6]
    talk.click(1, track_id=5)
    assert [kind for kind, _, _ in talk.step()] == ["ack"]


def test_a_removal_in_the_first_frame_of_an_adopted_stream_names_that_frame():
    talk = Talk()
    talk.click(1)
    talk.step()
    talk.engine.park(talk.stream_id)
    talk.engine.adopt(talk.stream_id)
    after = Talk()
    after.engine, after.stream_id = EarlierIndex(talk.engine), talk.stream_id
    after.conversation.restore(Resumed(how="memory", tracks=(1,)), [])
    after.conversation.greet("b", FakeEngine.info)
    after.hear(type="remove", seq=2, track_id=1)
    assert after.step() == [("ack", 2, "exact"), ("event", None, "removed")]
    frames = [m["frame"]["index"] for m in after.said if "frame" in m]
    assert frames == [1, 1], "its own first frame: the one before was another connection's"


class EarlierIndex:
    """Says of a removal, as the tracker does, that it came into force a frame earlier."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine

    def step(self, requests: list[StepRequest]) -> list[StepResult]:
        (result,) = self.engine.step(requests)
        assert isinstance(result, StepResult)
        removals = tuple(replace(applied, index=applied.index - 1) for applied in result.removals)
        events = tuple(replace(event, index=event.index - 1) for event in result.events)
        return [replace(result, removals=removals, events=events)]


def test_a_session_s_own_limit_of_tracks_holds_below_the_engine_s():
    talk = Talk(max_tracks=1)
    talk.click(1, track_id=1)
    talk.click(2, track_id=2)
    assert talk.step() == [("ack", 1, "exact"), ("event", None, "added")]
    assert [(m["seq"], m["code"]) for m in talk.said if m["type"] == "error"] == [
        (2, "too_many_tracks")
    ]
    talk.click(3, track_id=1)  # the one that is there is corrected all the same
    assert talk.step() == [("ack", 3, "exact")]
    talk.hear(type="remove", seq=4, track_id=1)
    talk.click(5, track_id=2)
    assert [row[:2] for row in talk.step()][:2] == [("ack", 4), ("ack", 5)]
    assert talk.count("prompts_total", kind="points", outcome="too_many_tracks") == 1


def test_more_prompts_a_second_than_allowed_are_refused_by_name():
    talk = Talk(max_prompts_per_s=2.0)
    for seq in (1, 2, 3):
        talk.click(seq)
    talk.hear(type="auto", seq=4, how="center")
    assert [(m["seq"], m["code"]) for m in talk.said] == [
        (3, "too_many_prompts"),
        (4, "too_many_prompts"),
    ]
    talk.hear(type="remove", seq=5, track_id=1)  # gives room, and costs none
    assert [row[:2] for row in talk.step() if row[0] == "ack"] == [("ack", 1), ("ack", 2)]


def test_tracks_that_go_on_count():
    talk = Talk(max_tracks=2)
    talk.conversation.restore(Resumed(how="memory", tracks=(4, 5)), ())
    talk.conversation.greet("s", talk.engine.info)
    talk.click(1, track_id=6)
    talk.step()
    assert (talk.said[-1]["seq"], talk.said[-1]["code"]) == (1, "too_many_tracks")


def test_the_greeting_names_the_limits():
    talk = Talk(max_tracks=1, max_fps=10.0, max_prompts_per_s=3.0, max_session_s=60.0)
    talk.conversation.greet("s", talk.engine.info)
    limits = talk.said[0]["limits"]
    assert (limits["max_tracks"], limits["max_fps"]) == (1, 10.0)
    assert limits["max_prompts_per_s"] == 3.0
    assert 0 < limits["max_session_s"] <= 60.0, "what is left of it"
