"""WHEP with aiortc as the one who watches."""

import re

import httpx
import pytest
from fake_viewer import eventually
from loopback import OtherSide, connected
from served import serving
from shown import show
from watching import SDP, Watching, watching

from streamer.rtc import shared_encoder
from streamer.rtc.fragment import CONTENT_TYPE

_CANDIDATES = re.compile(r"^a=(?:candidate:.*|end-of-candidates)\r\n", re.MULTILINE)


async def test_the_answer_is_that_of_whip():
    async with show() as there, watching(there.http, there.path) as (watcher, answer):
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/sdp"
        assert answer.headers["location"].startswith(f"{there.path}/")
        assert re.fullmatch('"[0-9a-f]{16}"', answer.headers["etag"])
        assert answer.headers["accept-patch"] == CONTENT_TYPE
        assert "a=sendonly" in answer.text
        await eventually(lambda: len(watcher.pictures) >= 5)


async def test_a_watcher_sees_what_the_viewer_gets_painted_objects_and_all():
    async with show() as there, watching(there.http, there.path) as (watcher, _):
        there.viewer.click(seq=1, track_id=1)

        def is_painted() -> bool:
            if not watcher.pictures:
                return False
            rgb = watcher.pictures[-1].to_ndarray(format="rgb24").astype(int)
            middle, corner = rgb[48, 64], rgb[4, 4]
            return middle[2] - middle[0] > 40 and abs(corner[2] - corner[0]) < 12

        await eventually(is_painted)
        assert (watcher.pictures[-1].width, watcher.pictures[-1].height) == (128, 96)


async def test_several_watchers_cost_one_encode():
    async with (
        show() as there,
        watching(there.http, there.path) as (one, _),
        watching(there.http, there.path) as (two, _),
        watching(there.http, there.path) as (three, _),
    ):
        await eventually(lambda: all(w.pictures for w in (one, two, three)))
        before = there.count("watched_frames_total"), there.count("frames_processed_total")
        seen = [w.pictures[-1].pts for w in (one, two, three)]
        ticks_30_frames = 90_000
        await eventually(
            lambda: all(
                w.pictures[-1].pts - was >= ticks_30_frames
                for w, was in zip((one, two, three), seen, strict=True)
            )
        )
        encoded = there.count("watched_frames_total") - before[0]
        processed = there.count("frames_processed_total") - before[1]
        assert 15 <= encoded <= processed + 1, "more encodes than frames"
        assert there.count("watchers") == 3


async def test_a_late_watcher_begins_with_a_key_frame():
    async with show() as there, watching(there.http, there.path) as (early, _):
        await eventually(lambda: len(early.pictures) >= 20)
        async with watching(there.http, there.path) as (late, _):
            await eventually(lambda: late.pictures)
            assert late.pictures[0].key_frame
            assert late.pictures[0].pict_type == 1


async def test_a_key_frame_comes_when_a_watcher_asks():
    async with show() as there, watching(there.http, there.path) as (watcher, _):
        await eventually(lambda: len(watcher.pictures) >= 10)
        first = watcher.pictures[0].pts
        await watcher.ask_for_key()
        await eventually(lambda: any(p.key_frame and p.pts > first for p in watcher.pictures))


async def test_vp8_is_sent_to_who_has_nothing_else():
    async with show() as there, watching(there.http, there.path, "video/VP8") as (watcher, answer):
        assert "VP8/90000" in answer.text
        assert "H264" not in answer.text
        await eventually(lambda: len(watcher.pictures) >= 5)


async def test_all_get_h264_who_have_it_whatever_they_name_first():
    async with show() as there, watching(there.http, there.path) as (watcher, answer):
        assert "VP8/90000" in watcher.connection.localDescription.sdp
        first = re.search(r"m=video \d+ \S+ (\d+)", answer.text)[1]
        assert f"a=rtpmap:{first} H264/90000" in answer.text


async def test_watchers_end_with_their_session():
    async with show() as there, watching(there.http, there.path) as (watcher, answer):
        await eventually(lambda: watcher.pictures)
        await there.viewer.close()
        await eventually(lambda: there.count("watchers") == 0)
        await eventually(watcher.has_ended.is_set)
        assert (await there.http.delete(answer.headers["location"])).status_code == 404


async def test_delete_ends_one_and_neither_the_others_nor_the_session():
    async with (
        show() as there,
        watching(there.http, there.path) as (one, first),
        watching(there.http, there.path) as (two, _),
    ):
        await eventually(lambda: one.pictures and two.pictures)
        assert (await there.http.delete(first.headers["location"])).status_code == 200
        await eventually(one.has_ended.is_set)
        assert (await there.http.delete(first.headers["location"])).status_code == 200  # again
        seen = two.pictures[-1].pts
        await eventually(lambda: two.pictures[-1].pts > seen + 9000)
        assert there.served.service.num_open == 1
        await eventually(lambda: there.count("watchers") == 1)


async def test_nothing_is_encoded_for_nobody():
    async with show() as there:
        async with watching(there.http, there.path) as (watcher, answer):
            await eventually(lambda: watcher.pictures)
            await there.http.delete(answer.headers["location"])
        await eventually(lambda: there.count("watchers") == 0)
        encoded, stepped = (
            there.count("watched_frames_total"),
            there.count("frames_processed_total"),
        )
        await eventually(lambda: there.count("frames_processed_total") > stepped + 5)
        assert there.count("watched_frames_total") <= encoded + 1


async def test_they_watch_a_viewer_who_takes_masks_only():
    async with show() as there, watching(there.http, there.path) as (watcher, _):
        there.viewer.tell(type="configure", seq=1, output="masks")
        await eventually(lambda: any(m["type"] == "ack" for m in there.viewer.said))
        seen = len(there.viewer.pictures)
        last = watcher.pictures[-1].pts if watcher.pictures else 0
        await eventually(lambda: watcher.pictures and watcher.pictures[-1].pts > last + 30_000)
        assert len(there.viewer.pictures) <= seen + 3


async def test_candidates_may_follow_the_offer():
    async with show() as there:
        watcher = Watching()
        offer = await watcher.offer()
        answer = await there.http.post(there.path, content=_CANDIDATES.sub("", offer), headers=SDP)
        ufrag = re.search(r"a=ice-ufrag:\S+", offer)[0]
        lines = list(dict.fromkeys(_CANDIDATES.findall(offer)))
        body = f"{ufrag}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{''.join(lines)}"
        headers = {"Content-Type": CONTENT_TYPE, "If-Match": answer.headers["etag"]}
        place = answer.headers["location"]
        assert (await there.http.patch(place, content=body, headers=headers)).status_code == 204
        await watcher.accept(answer.text)
        await eventually(lambda: watcher.pictures)
        other = {**headers, "If-Match": '"another"'}
        assert (await there.http.patch(place, content=body, headers=other)).status_code == 412
        restart = b"a=ice-ufrag:anew\r\na=ice-pwd:secret\r\n"
        assert (await there.http.patch(place, content=restart, headers=headers)).status_code == 422
        await watcher.close()


async def test_one_more_than_fit_is_told_to_come_later():
    async with (
        show(max_watchers=1) as there,
        watching(there.http, there.path),
        watching(there.http, there.path) as (_, refused),
    ):
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        assert refused.headers["content-type"] == "application/problem+json"


async def test_who_never_connects_leaves_the_place():
    async with show(max_watchers=1, connect_timeout_s=0.5) as there:
        watcher = Watching()
        await there.http.post(
            there.path, content=_CANDIDATES.sub("", await watcher.offer()), headers=SDP
        )
        assert there.count("watchers") == 1
        await eventually(lambda: there.count("watchers") == 0)
        await watcher.close()


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/whep/nobody", SDP, "v=0", 404),
        (None, {"Content-Type": "text/plain"}, "v=0", 415),
        (None, SDP, "hello", 400),
        (None, SDP, b"\xff", 400),
        (None, SDP, "v=0\r\n" * 30_000, 413),
    ],
)
async def test_what_cannot_be_used_is_a_problem(path, headers, body, status):
    async with show() as there:
        refused = await there.http.post(path or there.path, content=body, headers=headers)
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"
        assert there.count("watchers") == 0


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_an_offer_that_receives_nothing_is_refused(direction: str):
    async with show() as there:
        watcher = Watching()
        offer = (await watcher.offer()).replace("a=recvonly", f"a={direction}")
        refused = await there.http.post(there.path, content=offer, headers=SDP)
        assert refused.status_code == 422
        await watcher.close()


async def test_an_offer_of_audio_alone_is_refused():
    async with show() as there:
        watcher = OtherSide()
        offer = (await watcher.offer()).partition("m=application")[0].replace("m=video", "m=audio")
        refused = await there.http.post(there.path, content=offer, headers=SDP)
        assert refused.status_code in (400, 422)
        await watcher.close()


async def test_options_say_what_may_be_done():
    async with show() as there:
        endpoint = await there.http.options(there.path)
        assert (endpoint.headers["allow"], endpoint.headers["accept-post"]) == (
            "OPTIONS, POST",
            "application/sdp",
        )
        stay = await there.http.options(f"{there.path}/any")
        assert stay.headers["allow"] == "DELETE, OPTIONS, PATCH"
        assert stay.headers["accept-patch"] == CONTENT_TYPE


async def test_an_encoder_that_fails_ends_its_watchers_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
):
    async with serving() as served, connected(served.url) as viewer:
        (session_id,) = served.service._sessions
        async with httpx.AsyncClient(base_url=served.url) as http:
            path = f"/whep/{session_id}"
            with monkeypatch.context() as broken:
                broken.setattr(shared_encoder, "to_picture", None)
                async with watching(http, path) as (watcher, _):
                    await eventually(watcher.has_ended.is_set)
            seen = viewer.masks[-1].index
            await eventually(lambda: viewer.masks[-1].index > seen + 5)
            async with watching(http, path) as (watcher, _):
                await eventually(lambda: watcher.pictures)
