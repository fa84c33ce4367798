"""What no viewer should send, over real connections: a clear answer, and nobody else notices."""

import asyncio

import pytest
from fake_viewer import eventually
from loopback import Camera, OtherSide, connected
from served import Served, serving

from streamer.protocol import MAX_MESSAGE_BYTES, MAX_PROMPTS_WAITING


def count(served: Served, name: str, **labels: str) -> float:
    return served.service.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0


async def lose(_data: bytes) -> None:
    """Sends nothing."""


async def goes_on(viewer: OtherSide) -> None:
    """The viewer still gets masks, pictures and answers."""
    num_masks, num_said = len(viewer.masks), len(viewer.said)
    viewer.tell(type="ping", seq=4242)
    await eventually(lambda: len(viewer.masks) >= num_masks + 3)
    await eventually(lambda: {"type": "pong", "seq": 4242} in viewer.said[num_said:])
    assert viewer.errors() == []


@pytest.mark.parametrize(
    ("sent", "code", "seq"),
    [
        ("{", "bad_json", None),
        (b"\x00\x01\x02", "bad_message", None),
        (b"", "bad_message", None),
        ('{"type": "dance", "seq": 3}', "bad_message", 3),
        ('{"type":"prompt","seq":4,"track_id":1,"points":[[9,9,1]]}', "bad_prompt", 4),
        ('{"type":"remove","seq":5,"track_id":77}', "unknown_track", 5),
        ("x" * (MAX_MESSAGE_BYTES + 1), "too_large", None),
    ],
)
async def test_a_bad_message_is_answered_and_counted(sent: str | bytes, code: str, seq: int | None):
    async with serving() as served, connected(served.url) as viewer:
        viewer.control.send(sent)
        await eventually(lambda: viewer.errors() == [(code, seq)])
        assert count(served, "messages_refused_total", code=code) == 1
        viewer.click()
        await eventually(lambda: bool(viewer.masks[-1].objects))


async def test_a_stream_of_rubbish_disturbs_nobody_else():
    async with serving() as served, connected(served.url) as bad, connected(served.url) as good:
        for row in range(200):
            bad.control.send(bytes([row]) * row if row % 2 else "{" * row)
        await eventually(lambda: len(bad.errors()) == 200)
        await goes_on(good)
        assert count(served, "sessions") == 2


async def test_prompts_beyond_the_queue_are_answered_busy():
    camera = Camera()
    async with serving() as served, connected(served.url, camera) as viewer:
        camera.runs.clear()
        await asyncio.sleep(0.2)  # the frames under way arrive
        for seq in range(MAX_PROMPTS_WAITING + 3):
            viewer.click(seq)
        await eventually(lambda: len(viewer.errors()) == 3)
        assert {code for code, _ in viewer.errors()} == {"busy"}
        camera.runs.set()
        acks = lambda: sum(m["type"] == "ack" for m in viewer.said)  # noqa: E731 (two words)
        await eventually(lambda: acks() == MAX_PROMPTS_WAITING)


async def test_frames_may_change_their_size_mid_stream():
    sizes = ((96, 128), (181, 333), (64, 48))
    async with serving() as served, connected(served.url, Camera(sizes)) as viewer:
        viewer.click()
        await eventually(lambda: count(served, "frame_size_changes_total") >= 2)
        await eventually(lambda: {(p.height, p.width) for p in viewer.pictures} >= set(sizes))
        assert {(m.grid_height, m.grid_width) for m in viewer.masks} >= {(96, 128), (91, 167)}
        assert viewer.errors() == []


async def test_a_session_with_a_fault_ends_and_the_other_goes_on():
    async with serving() as served, connected(served.url) as bad, connected(served.url) as good:
        bad.click(track_id=666)
        await eventually(lambda: count(served, "sessions_ended_total", outcome="fault") == 1)
        await eventually(lambda: bad.errors() == [("internal", None)])
        await goes_on(good)
        assert count(served, "session_errors_total") == 1
        assert served.service.num_open == 1


async def test_a_viewer_who_vanishes_is_cleaned_up_and_the_other_goes_on():
    async with (
        serving(idle_timeout_s=3) as served,
        connected(served.url) as gone,
        connected(served.url) as good,
    ):
        gone.sender.transport.transport._send = lose  # no goodbye: the network is cut
        await eventually(lambda: count(served, "sessions_ended_total", outcome="idle") == 1)
        await goes_on(good)
        assert served.service.num_open == 1


async def test_a_viewer_who_never_connects_is_cleaned_up():
    async with serving(connect_timeout_s=0.2) as served:
        other = OtherSide()
        await other.offer()
        await served.service.answer(await other.offer())
        assert served.service.num_open == 1
        ended = "sessions_ended_total"
        await eventually(lambda: count(served, ended, outcome="never_connected") == 1)
        await eventually(lambda: served.service.num_open == 0)
        await other.close()


async def test_a_viewer_who_hangs_up_is_cleaned_up_at_once():
    async with serving() as served:
        async with connected(served.url):
            assert served.service.num_open == 1
        await eventually(lambda: count(served, "sessions_ended_total", outcome="left") == 1)
        assert served.service.num_open == 0
