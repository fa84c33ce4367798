"""Tokens at the door: what needs one, what the answers say, and that nothing of them is logged."""

import re
import signal
import time

import httpx
import jwt
import pytest
import websockets
from clients import grey_frames, masks_with
from fake_viewer import eventually
from loopback import OtherSide
from playwright.async_api import Browser
from served import serving
from test_serve import line_with, served

from streamer.client import Client, Unauthorised
from streamer.config import Settings

SECRET = "a shared secret of thirty-two characters"
SDP = {"Content-Type": "application/sdp"}
TURN = [{"urls": "turn:127.0.0.1:9"}]


def token(**claims: object) -> str:
    return jwt.encode({"exp": int(time.time()) + 60, **claims}, SECRET, "HS256")


GUARDED = (
    ("POST", "/whip"),
    ("PATCH", "/whip/any"),
    ("DELETE", "/whip/any"),
    ("POST", "/offer"),
    ("GET", "/config"),
    ("POST", "/sessions/any/prompts"),
    ("POST", "/whep/any"),
    ("PATCH", "/whep/any/any"),
    ("DELETE", "/whep/any/any"),
    ("POST", "/sources"),
    ("GET", "/sources"),
    ("GET", "/sources/any"),
    ("DELETE", "/sources/any"),
)


async def test_without_a_token_it_is_refused_before_it_is_read():
    async with serving(token_secret=SECRET) as there, httpx.AsyncClient(base_url=there.url) as http:
        for method, path in GUARDED:
            refused = await http.request(method, path, content="hello")
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert refused.headers["content-type"] == "application/problem+json"
            wrong = {"Authorization": f"Bearer {token()[:-3]}abc"}
            refused = await http.request(method, path, content="hello", headers=wrong)
            assert refused.status_code == 401
            assert "invalid_token" in refused.headers["www-authenticate"]
            right = {"Authorization": f"Bearer {token()}"}
            let_in = await http.request(method, path, content="hello", headers=right)
            assert let_in.status_code != 401
        sample = there.service.metrics.registry.get_sample_value
        assert sample("streamer_tokens_refused_total") == 2 * len(GUARDED)


OPEN = {"/", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/redoc"}


async def test_what_is_not_listed_as_open_needs_a_token():
    """So that a route which is added without a guard is noticed."""
    async with serving(token_secret=SECRET) as there, httpx.AsyncClient(base_url=there.url) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        answers = {
            (method, path): (await http.request(method, path.replace("{", "").replace("}", "")))
            for path, methods in paths.items()
            for method in methods
            if method != "options"  # a preflight bears none
        }
        let_in = {path for (_, path), answer in answers.items() if answer.status_code != 401}
        assert len(answers) > 12
        assert let_in <= OPEN
        for path in ("/sessions/any/masks", "/sources/any/control"):
            with pytest.raises(websockets.InvalidStatus) as refusal:
                await websockets.connect(there.url.replace("http", "ws") + path)
            assert refusal.value.response.status_code == 401


async def test_probes_metrics_and_the_page_need_none():
    async with serving(token_secret=SECRET) as there, httpx.AsyncClient(base_url=there.url) as http:
        for path in ("/livez", "/readyz", "/metrics", "/", "/web/client.js"):
            assert (await http.get(path)).status_code == 200, path


async def test_a_preflight_needs_none():
    """A browser sends it without the token (Fetch, section 4.8)."""
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    async with (
        serving(token_secret=SECRET, cors_origins=["*"]) as there,
        httpx.AsyncClient(base_url=there.url) as http,
    ):
        allowed = await http.options("/whip", headers=asked)
        assert allowed.status_code == 200
        assert allowed.headers["accept-post"] == "application/sdp"


async def test_a_session_s_turn_user_is_in_its_links_and_in_the_configuration():
    other, right = OtherSide(), {"Authorization": f"Bearer {token()}"}
    settings = {"ice_servers": TURN, "turn_secret": "s", "uses_ice_servers": False}
    async with (
        serving(token_secret=SECRET, **settings) as there,
        httpx.AsyncClient(base_url=there.url, headers=right) as http,
    ):
        created = await http.post("/whip", content=await other.offer(), headers=SDP)
        link = created.headers["link"]
        assert re.search(r'username="\d+:\w+"; credential="[\w+/=]+"', link)
        (server,) = (await http.get("/config")).json()["iceServers"]
        assert set(server) == {"urls", "username", "credential"}
        assert server["username"] not in link
        await other.close()


async def test_the_client_says_that_its_token_is_refused_and_with_a_good_one_it_tracks():
    async with serving(token_secret=SECRET) as there:
        with pytest.raises(Unauthorised, match="has expired"):
            await Client(there.url, grey_frames(), token=token(exp=1)).__aenter__()
        async with Client(there.url, grey_frames(), token=token()) as client:
            await masks_with(client)
        await eventually(lambda: there.service.num_open == 0)


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_client_js_connects_and_leaves_with_its_token(browser: Browser):
    async with serving(token_secret=SECRET) as there:
        page = await browser.new_page()
        await page.goto(f"{there.url}/livez")
        connect = """async (token) => {
            const { Sam2Client } = await import("/web/client.js");
            const canvas = document.createElement("canvas");
            canvas.getContext("2d").fillRect(0, 0, 9, 9);
            window.client = new Sam2Client();
            return client.connect(canvas.captureStream(10), { token }).then(
                () => "open", (error) => error.code);
        }"""
        assert await page.evaluate(connect, None) == "unauthorized"
        assert await page.evaluate(connect, token()[:-3]) == "unauthorized"
        assert await page.evaluate(connect, token()) == "open"
        async with page.expect_response(lambda r: r.request.method == "DELETE") as left:
            await page.evaluate("client.close()")
        assert (await left.value).status == 200
        await page.close()


def test_no_secret_is_logged_or_printed(monkeypatch: pytest.MonkeyPatch):
    good, bad = token(), token(sub="mallory")[:-4] + "nope"
    secrets = {
        "STREAMER_TOKEN_SECRET": SECRET,
        "STREAMER_TURN_SECRET": "the turn secret",
        "STREAMER_ICE_SERVERS": '[{"urls":"turn:a:9","username":"u","credential":"pass-word"}]',
        "STREAMER_RESUME_SECRET": "the resume secret, longer than thirty-two",
        "STREAMER_SOURCE_HOSTS": '["127.0.0.1"]',
        "STREAMER_SOURCE_PORTS": "[9]",
        "STREAMER_LOG_LEVEL": "debug",
        "STREAMER_USES_ICE_SERVERS": "false",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    with served() as process:
        url = line_with(process, "Open http://").split()[1]
        line_with(process, "Ready: nano")
        for bearer in (good, bad):
            headers = {"Authorization": f"Bearer {bearer}", **SDP}
            httpx.post(f"{url}/whip", content="v=0", headers=headers)
            httpx.get(f"{url}/config", headers=headers)
            camera = {"url": "rtsp://me:pass-phrase@127.0.0.1:9/x?key=pass-key", "resume": good}
            httpx.post(f"{url}/sources", json=camera, headers={"Authorization": f"Bearer {bearer}"})
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        words = process.stdout.read()
    hidden_ones = (good, bad, SECRET, "the turn secret", "the resume secret", "pass-word")
    for hidden in (*hidden_ones, "pass-phrase", "pass-key"):
        assert hidden not in words


@pytest.mark.parametrize(
    ("environment", "options", "said"),
    [
        ({}, ("--host", "0.0.0.0"), "is not a loopback address"),
        ({"STREAMER_TOKEN_SECRET": "too short a secret"}, (), "token_secret"),
        ({"STREAMER_TOKEN_PUBLIC_KEY": "no-key-at-all"}, (), "not the PEM"),
        (
            {"STREAMER_TURN_SECRET": "turn-secret-value"},
            ("--host", "0.0.0.0"),
            "is not a loopback address",
        ),
    ],
)
def test_what_is_open_by_mistake_or_wrong_does_not_start_and_quotes_no_secret(
    environment: dict[str, str],
    options: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with served(*options) as process:
        words = process.communicate(timeout=60)[0]
        assert process.returncode == 2
        assert said in words
        assert not [value for value in environment.values() if value in words]


@pytest.mark.parametrize(
    "setting", [{"allow_anonymous": True}, {"token_secret": SECRET}, {"host": "127.0.0.1"}]
)
def test_a_service_with_tokens_or_leave_may_be_reached_from_outside(setting: dict[str, object]):
    assert Settings(**{"host": "0.0.0.0", **setting}).port == 8080
