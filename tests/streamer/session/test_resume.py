import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from fake_viewer import eventually
from loopback import OtherSide, connected
from resuming import resumed, tokens
from served import serving

from sam2_rt.engine import StepResult, TrackMask, TrackState
from streamer.protocol import ResumeMessage, parse_server
from streamer.session.resume import (
    FRESH_S,
    MAX_SIDE,
    Carried,
    ResumeError,
    Seals,
    Teller,
    accept,
    carry,
)
from streamer.session.term import Term, TimeUp
from streamer.telemetry.metrics import Metrics

SECRET = "a secret that the services of one name share"
NOW_S = 1_700_000_000.0


def track(track_id: int, *, side: int = 64, state: TrackState = TrackState.VISIBLE) -> TrackMask:
    """A quarter of the frame: its upper right."""
    logits = np.full((side, side), -8, np.float32)
    logits[: side // 2, side // 2 :] = 8
    return TrackMask(track_id, state, 3.0, 0.9, logits > 0, logits)


def step(*tracks: TrackMask) -> StepResult:
    return StepResult(0, 0, tracks, (), (), (), 1)


def test_a_token_gives_back_what_was_sealed_to_every_service_of_the_secret():
    carried = carry("one", step(track(3), track(7)), NOW_S)
    token = Seals(SECRET, 60).seal(carried).token
    assert Seals(SECRET, 60).open(token) == carried
    prompts = carried.prompts(NOW_S + FRESH_S / 2)
    assert [prompt.track_id for prompt in prompts] == [3, 7]
    assert (prompts[0].mask == track(3).mask).all()


@pytest.mark.parametrize("seals", [Seals("another" + SECRET, 60), Seals(None, 60)])
def test_a_token_of_another_service_is_refused(seals: Seals):
    with pytest.raises(ResumeError):
        seals.open(Seals(SECRET, 60).seal(carry("one", step(track(1)), NOW_S)).token)


def test_a_token_tells_nothing_and_cannot_be_changed():
    seals = Seals(SECRET, 60)
    token = seals.seal(carry("one", step(track(1)), NOW_S)).token
    assert "track" not in token
    for row in range(0, len(token), 7):
        changed = token[:row] + ("A" if token[row] != "A" else "B") + token[row + 1 :]
        with pytest.raises(ResumeError):
            seals.open(changed)
    for rubbish in ("", "x", "é", token[:-8]):
        with pytest.raises(ResumeError):
            seals.open(rubbish)


def test_a_token_expires():
    old = Seals(SECRET, 60)
    sealed = old._fernet.encrypt_at_time(b"{}", int(time.time()) - 61).decode()
    with pytest.raises(ResumeError):
        old.open(sealed)
    metrics = Metrics()
    assert accept(old, sealed, metrics) is None
    sample = metrics.registry.get_sample_value
    assert sample("streamer_resumes_total", {"outcome": "refused"}) == 1


def test_a_token_knows_when_its_session_is_over_and_is_refused_afterwards():
    seals, metrics, now_s = Seals(SECRET, 60), Metrics(), time.time()
    running = seals.seal(carry("one", step(track(1)), now_s, now_s + 50)).token
    assert accept(seals, running, metrics).until_s == now_s + 50
    over = seals.seal(carry("one", step(track(1)), now_s, now_s - 0.001)).token
    with pytest.raises(TimeUp):
        accept(seals, over, metrics)
    assert metrics.registry.get_sample_value("streamer_resumes_total", {"outcome": "refused"}) == 1


def test_a_token_without_an_end_is_one_that_older_services_open():
    seals = Seals(SECRET, 60)
    token = seals.seal(carry("one", step(track(1)), NOW_S)).token
    assert b"until_s" not in seals._fernet.decrypt(token)


def test_a_mask_that_is_old_becomes_the_box_around_it():
    carried = carry("one", step(track(1)), NOW_S)
    (prompt,) = carried.prompts(NOW_S + FRESH_S + 1)
    assert (prompt.mask, prompt.box) == (None, (0.5, 0.0, 1.0, 0.5))


def test_what_is_hidden_stays_behind():
    carried = carry("one", step(track(1, state=TrackState.OCCLUDED), track(2)), NOW_S)
    assert [one.track_id for one in carried.tracks] == [2]
    assert carry("one", None, NOW_S).tracks == ()


def test_a_token_of_sixteen_tracks_of_a_large_model_stays_small():
    carried = carry("one", step(*(track(row + 1, side=256) for row in range(16))), NOW_S)
    assert max(carried.tracks[0].height, carried.tracks[0].width) <= MAX_SIDE
    assert len(Seals(SECRET, 60).seal(carried).token) < 16 * 1024


def test_an_object_of_one_pixel_is_carried_too():
    tiny = track(1, side=256)
    tiny.logits[:] = -8
    tiny.logits[101, 33] = 8
    (one,) = carry("one", step(tiny), NOW_S).tracks
    assert one.mask().sum() == 1


async def test_a_viewer_is_told_when_there_is_news_and_when_the_last_track_has_gone():
    said: list[str] = []
    results = [None, step(), step(track(1)), step(track(1)), step(), step()]
    seals = Seals(SECRET, 60)
    with ThreadPoolExecutor(1) as painter:
        session = SimpleNamespace(session_id="one", last_result=None, term=Term(None))
        teller = Teller(seals, session, said.append, painter)
        counts = []
        for result in results:
            session.last_result = result
            teller.tell_now()
            teller.tell_now()
            counts.append(len(said))
    assert counts == [0, 0, 1, 2, 3, 3]
    messages = [parse_server(text) for text in said]
    assert all(isinstance(message, ResumeMessage) for message in messages)
    ids = [[one.track_id for one in seals.open(message.token).tracks] for message in messages]
    assert ids == [[1], [1], []]


async def test_tracks_go_on_under_their_ids_at_another_service_of_the_secret():
    async with serving(resume_secret=SECRET) as first, serving(resume_secret=SECRET) as second:
        async with connected(first.url) as viewer:
            viewer.tell(type="prompt", seq=1, track_id=42, points=[[0.25, 0.5, 1]])
            await eventually(lambda: bool(tokens(viewer)))
            last = tokens(viewer)[-1]
        other = OtherSide()
        assert await resumed(second, other, last) == [42]
        await eventually(lambda: bool(other.masks))
        (item,) = other.masks[0].objects
        assert item.track_id == 42, "in the very first frame"
        middle = np.argwhere(item.mask)[:, 1].mean() / other.masks[0].grid_width
        assert middle == pytest.approx(0.25, abs=0.05)
        await eventually(lambda: any(m["type"] == "event" for m in other.said))
        assert [m for m in other.said if m["type"] in {"ack", "error"}] == []
        other.click(seq=5, track_id=42)  # the session is like any other
        await eventually(lambda: any(m["type"] == "ack" for m in other.said))
        await other.close()


async def test_the_session_before_ends_when_its_viewer_is_back_even_where_all_is_full():
    other = OtherSide()
    async with serving(max_sessions=1) as served, connected(served.url) as viewer:
        viewer.click()
        await eventually(lambda: bool(tokens(viewer)))
        assert await resumed(served, other, tokens(viewer)[-1]) == [1]
        await eventually(lambda: bool(other.masks))
        sample = served.service.metrics.registry.get_sample_value
        assert sample("streamer_sessions_ended_total", {"outcome": "resumed"}) == 1
        assert served.service.num_open == 1
        await other.close()


async def test_a_token_that_is_no_good_begins_anew():
    other = OtherSide()
    async with serving() as served:
        assert await resumed(served, other, "rubbish") == []
        await eventually(lambda: len(other.masks) >= 2)
        assert other.masks[-1].objects == ()
        await other.close()


async def test_a_drain_tells_the_newest_token_first():
    async with serving(drain_url="https://next.example") as served, connected(served.url) as viewer:
        viewer.click()
        await eventually(lambda: bool(viewer.masks[-1].objects))
        served.service.begin_drain(9)
        await eventually(lambda: any(m["type"] == "migrate" for m in viewer.said))
        kinds = [m["type"] for m in viewer.said]
        assert "resume" in kinds[: kinds.index("migrate")]
        drain = viewer.said[kinds.index("migrate")]
        assert (drain["seconds"], drain["url"]) == (9, "https://next.example")


def test_what_is_carried_is_checked_when_it_is_read():
    track = '{"track_id": 0, "height": 1, "width": 1, "counts": "1"}'
    with pytest.raises(ValueError, match="track_id"):
        Carried.model_validate_json(f'{{"session_id": "", "seen_at_s": 1.0, "tracks": [{track}]}}')
