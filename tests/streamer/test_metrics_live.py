"""What a scrape shows of a real connection, and what is left of it afterwards."""

from fake_viewer import eventually
from loopback import connected
from served import Served, serving

from streamer.session.journey import Stage, Way


def series(served: Served) -> dict[tuple[str, ...], float]:
    """All of ours, by name and labels."""
    samples = (s for f in served.service.metrics.registry.collect() for s in f.samples)
    return {
        (s.name.removeprefix("streamer_"), *s.labels.values()): s.value
        for s in samples
        if s.name.startswith("streamer_") and not s.name.endswith("_created")
    }


async def test_a_session_shows_each_stage_and_leaves_no_series_behind():
    async with serving() as served:
        before = series(served)
        async with connected(served.url) as viewer:
            viewer.click()
            for seq, track_id in ((2, 8), (3, 9), (4, 10)):
                viewer.click(seq, track_id)
            viewer.tell(type="remove", seq=5, track_id=99)
            viewer.tell(type="nonsense", seq=6)
            viewer.control.send("{")
            await eventually(lambda: all_known(viewer.said))
            stats = [m for m in viewer.said if m["type"] == "stats"][-1]
            during = series(served)
        await eventually(lambda: served.service.num_open == 0)
        await eventually(lambda: series(served)["videos", "in", "VP8"] == 0)
        after = series(served)
    assert set(stats["stages_ms"]) == set(Stage)
    assert set(stats["end_to_end_ms"]) == set(Way)
    for stage in Stage:
        assert during["stage_seconds_count", stage] > 0
    assert during["batch_frames_sum",] == during["batch_frames_count",] > 0, "one viewer"
    assert during["end_to_end_seconds_count", "picture"] > 0
    assert during["end_to_end_seconds_sum", "masks"] > during["stage_seconds_sum", "masks"]
    assert (during["videos", "in", "VP8"], during["videos", "out", "VP8"]) == (1, 1)
    assert during["link_bytes_total", "in"] > during["rtp_packets_total", "in"] > 0
    assert set(after) == set(during) == set(before), "a label took a value that was not known"
    gauges = [("sessions",), ("tracks", "visible"), ("videos", "out", "VP8"), ("watchers",)]
    assert [after[gauge] for gauge in gauges] == [0, 0, 0, 0]
    assert before["prompts_total", "points", "applied"] == 0
    assert after["prompts_total", "points", "applied"] >= 1
    assert not any(value for (name, *labels), value in after.items() if "other" in labels)


def all_known(said: list[dict[str, object]]) -> bool:
    """The viewer was told of every stage, and of bytes that went both ways."""
    told = [message for message in said if message["type"] == "stats"]
    stages = {**told[-1]["stages_ms"], **told[-1]["end_to_end_ms"]} if told else {"": {"p50": None}}
    return len(told) > 1 and all(spent["p50"] is not None for spent in stages.values())
