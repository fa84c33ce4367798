"""WHIP as RFC 9725 writes it, with aiortc as the publisher."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fake_viewer import eventually
from loopback import OtherSide
from served import Served, serving

from streamer.http.whip import ice_links
from streamer.ice_server import IceServer
from streamer.rtc.fragment import CONTENT_TYPE, MAX_CANDIDATES

SDP = {"Content-Type": "application/sdp"}
CANDIDATE = "a=candidate:1 1 UDP 2130706431 192.0.2.7 {port} typ host"
_CANDIDATES = re.compile(r"^a=(?:candidate:.*|end-of-candidates)\r\n", re.MULTILINE)


@dataclass
class Created:
    """A session that was made by an offer without candidates."""

    served: Served
    http: httpx.AsyncClient
    other: OtherSide
    offer: str
    answer: httpx.Response

    @property
    def location(self) -> str:
        return self.answer.headers["location"]

    async def patch(self, body: str | bytes, **headers: str) -> httpx.Response:
        sent = {"Content-Type": CONTENT_TYPE, "If-Match": self.answer.headers["etag"]}
        given = {name.replace("_", "-").title(): value for name, value in headers.items()}
        kept = {name: value for name, value in (sent | given).items() if value}
        return await self.http.patch(self.location, content=body, headers=kept)

    def heard_of(self) -> set[tuple[str, int]]:
        """Addresses that the service knows of this publisher."""
        (stay,) = self.served.service._sessions.values()
        transport: Any = stay.peer._connection.sctp.transport.transport
        return {(c.ip, c.port) for c in transport.getRemoteCandidates()}


@asynccontextmanager
async def created(**settings: object) -> AsyncIterator[Created]:
    other = OtherSide()
    async with serving(**settings) as served, httpx.AsyncClient(base_url=served.url) as http:
        offer = await other.offer()
        answer = await http.post("/whip", content=_CANDIDATES.sub("", offer), headers=SDP)
        assert answer.status_code == 201
        yield Created(served, http, other, offer, answer)
        await other.close()


def ufrag_of(sdp: str) -> str:
    return re.search(r"a=ice-ufrag:\S+", sdp)[0]


async def test_candidates_may_follow_the_offer():
    async with created() as made:
        assert made.answer.headers["accept-patch"] == CONTENT_TYPE
        assert made.heard_of() == set()
        lines = list(dict.fromkeys(_CANDIDATES.findall(made.offer)))
        body = f"{ufrag_of(made.offer)}\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        patched = await made.patch(body + "".join(lines))
        assert (patched.status_code, patched.content) == (204, b"")
        told = {(line.split()[4], int(line.split()[5])) for line in lines if "candidate:" in line}
        assert made.heard_of() == told != set()
        await made.other.accept(made.answer.text)
        await eventually(lambda: len(made.other.masks) >= 2)


async def test_a_candidate_of_no_section_is_taken_and_a_name_is_not():
    async with created() as made:
        name = CANDIDATE.format(port=1).replace("192.0.2.7", "some.local")
        here = CANDIDATE.format(port=2)
        patched = await made.patch(f"{here}\r\n{name}\r\na=end-of-candidates\r\n")
        assert patched.status_code == 204
        assert made.heard_of() == {("192.0.2.7", 2)}


async def test_an_end_without_any_candidate_does_not_end_the_session():
    """As from a browser whose addresses are all hidden behind `.local` names."""
    async with created() as made:
        assert (await made.patch("m=video 9 X 0\r\na=mid:0\r\na=end-of-candidates\r\n")).is_success
        await made.other.accept(made.answer.text)
        await eventually(lambda: len(made.other.masks) >= 2)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"if_match": ""}, CANDIDATE.format(port=1), 428),
        ({"if_match": '"another"'}, CANDIDATE.format(port=1), 412),
        ({"content_type": "application/sdp"}, CANDIDATE.format(port=1), 415),
        ({"content_type": ""}, CANDIDATE.format(port=1), 415),
        ({}, "hello", 400),
        ({}, b"\xff", 400),
        ({}, "a=x\r\n" * 20_000, 413),
        ({}, "m=video 9 X 0\r\na=mid:7\r\n" + CANDIDATE.format(port=1), 422),
        ({"if_match": "*"}, "a=ice-ufrag:anew\r\na=ice-pwd:secret\r\n", 422),
        ({}, "a=ice-ufrag:anew\r\na=ice-pwd:secret\r\n", 422),
    ],
)
async def test_a_patch_that_cannot_be_carried_out_is_a_problem_and_the_session_goes_on(
    headers: dict[str, str], body: str | bytes, status: int
):
    async with created() as made:
        refused = await made.patch(body, **headers)
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"]
        assert made.heard_of() == set()
        assert (await made.patch(CANDIDATE.format(port=5), if_match="*")).status_code == 204


async def test_candidates_have_a_bound():
    async with created() as made:
        many = "\r\n".join(CANDIDATE.format(port=row + 1) for row in range(MAX_CANDIDATES))
        assert (await made.patch(many)).status_code == 204
        refused = await made.patch(CANDIDATE.format(port=999))
        assert (refused.status_code, str(MAX_CANDIDATES) in refused.text) == (422, True)
        assert len(made.heard_of()) == MAX_CANDIDATES


async def test_a_delete_does_not_look_at_the_tag_and_what_has_ended_cannot_be_patched():
    async with created() as made:
        stale = {"If-Match": '"stale"'}
        assert (await made.http.delete(made.location, headers=stale)).status_code == 200
        await eventually(lambda: made.served.service.num_open == 0)
        assert (await made.patch(CANDIDATE.format(port=1))).status_code == 404


@pytest.mark.parametrize(
    ("path", "name", "value", "methods"),
    [
        ("/whip", "accept-post", "application/sdp", "OPTIONS, POST"),
        ("/whip/any", "accept-patch", CONTENT_TYPE, "DELETE, OPTIONS, PATCH"),
    ],
)
async def test_options_say_what_may_be_sent(path: str, name: str, value: str, methods: str):
    async with serving() as served, httpx.AsyncClient(base_url=served.url) as http:
        said = await http.options(path)
        assert (said.status_code, said.headers[name]) == (200, value)
        assert said.headers["allow"] == methods
        refused = await http.put(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, methods)


async def test_a_page_of_an_origin_that_is_allowed_may_ask_and_another_may_not():
    ours, other = "https://ours.example", "https://other.example"
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}
    async with (
        serving(cors_origins=[ours]) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        allowed = await http.options("/whip/any", headers={"Origin": ours, **asked})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == ours
        assert "PATCH" in allowed.headers["access-control-allow-methods"]
        assert allowed.headers["accept-patch"] == CONTENT_TYPE
        refused = await http.options("/whip/any", headers={"Origin": other, **asked})
        assert refused.status_code == 400
        assert "access-control-allow-origin" not in refused.headers
        answer = await http.post("/whip", headers={"Origin": ours, **SDP}, content="hello")
        told = answer.headers["access-control-expose-headers"]
        assert {"Location", "ETag", "Link"} <= set(told.split(", "))


async def test_stun_and_turn_servers_are_told_in_links():
    servers = [
        {"urls": "stun:127.0.0.1:9"},
        {"urls": "turn:127.0.0.1:9?transport=udp", "username": 'a"b', "credential": "c\\d"},
    ]
    stun, turn = ice_links(IceServer(**server) for server in servers)
    assert stun == '<stun:127.0.0.1:9>; rel="ice-server"'
    assert turn.startswith('<turn:127.0.0.1:9?transport=udp>; rel="ice-server"; username="a\\"b"; ')
    assert turn.endswith('; credential="c\\\\d"; credential-type="password"')
    async with created(ice_servers=servers, uses_ice_servers=False) as made:
        assert made.answer.headers.get_list("link") == [stun, turn]
