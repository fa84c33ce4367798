import asyncio
import os
import sys

import pytest
from served import serving

from fake_engine import FakeEngine
from rendered import LEAST, SHAPES, Object, hook_of, merged, pod_of, render, rendered, the

SECRET = "what the cluster's Secret holds, long enough"
GUARDED = merged(
    LEAST, {"auth": {"mode": "tokenSecret", "existingSecret": "s", "audience": "masks"}}
)


def viewer_of(objects: list[Object]) -> Object:
    (found,) = hook_of(objects)["containers"]
    return found


async def run_hook(objects: list[Object], url: str, **variables: str) -> tuple[int, str]:
    """As the kubelet would: the pod's own command; its exit code and what it said."""
    container = viewer_of(objects)
    given = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    program, *arguments = container["command"]
    assert program == "python3"
    assert set(variables) - {"STREAMER_TEST_SECONDS"} <= {one["name"] for one in container["env"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={"PATH": os.environ["PATH"], "HOME": "/tmp"}
        | given
        | variables
        | {"STREAMER_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_hook_s_command_offers_a_video_and_gets_a_mask():
    async with serving(FakeEngine, token_secret=SECRET, token_audience="masks") as served:
        code, said = await run_hook(render(GUARDED), served.url, STREAMER_TOKEN_SECRET=SECRET)
    assert (code, "a mask of" in said) == (0, True), said


async def test_the_hook_gets_a_mask_from_within_a_blocked_network():
    async with serving(FakeEngine, blocked_networks=["0.0.0.0/0", "::/0"]) as served:
        code, said = await run_hook(render(LEAST), served.url)
    assert (code, "a mask of" in said) == (0, True), said


async def test_the_hook_fails_where_its_token_is_not_taken():
    other = "a secret of another service, long enough"
    async with serving(FakeEngine, token_secret=SECRET) as served:
        code, said = await run_hook(render(GUARDED), served.url, STREAMER_TOKEN_SECRET=other)
    assert (code, "does not take the token" in said) == (1, True), said


async def test_the_hook_fails_where_nobody_answers():
    code, said = await run_hook(render(LEAST), "http://127.0.0.1:1", STREAMER_TEST_SECONDS="0.5")
    assert (code, "no mask from http://127.0.0.1:1" in said) == (1, True), said


@pytest.mark.parametrize("name", SHAPES)
def test_the_hook_s_pod_is_as_closed_as_the_service_s(name: str):
    hook, serving_pod = hook_of(rendered(name)), pod_of(rendered(name))
    of_pod = {k: v for k, v in serving_pod["securityContext"].items() if k != "sysctls"}
    assert hook["securityContext"] == of_pod
    (service,) = serving_pod["containers"]
    viewer = viewer_of(rendered(name))
    assert viewer["securityContext"] == service["securityContext"]
    assert viewer["image"] == service["image"]
    assert {"cpu", "memory"} == set(viewer["resources"]["limits"])
    assert hook["automountServiceAccountToken"] is False


def test_the_hook_s_pod_is_none_of_the_service_s():
    objects = rendered("all-on")
    labels = the("Pod", objects)["metadata"]["labels"]
    selectors = [o["spec"]["selector"] for o in objects if o["kind"] == "Service"]
    selectors += [the("PodDisruptionBudget", objects)["spec"]["selector"]["matchLabels"]]
    assert selectors
    assert not any(selector.items() <= labels.items() for selector in selectors)


def test_the_policy_lets_the_hook_in_whoever_else_may_come():
    objects = rendered("all-on")
    labels = the("Pod", objects)["metadata"]["labels"]
    rules = the("NetworkPolicy", objects)["spec"]["ingress"]
    matching = [
        rule
        for rule in rules
        for peer in rule.get("from", [])
        if peer.get("podSelector", {"matchLabels": {"": ""}})["matchLabels"].items()
        <= labels.items()
    ]
    assert [{port["protocol"] for port in rule["ports"]} for rule in matching] == [{"TCP", "UDP"}]


def test_without_a_token_to_be_had_there_is_no_hook():
    public_key = {"auth": {"mode": "publicKey", "existingSecret": "s"}}
    kinds = {one["kind"] for one in render(merged(LEAST, public_key))}
    assert "Pod" not in kinds
    given = merged(LEAST, public_key | {"tests": {"tokenSecret": "t"}})
    (token,) = [e for e in viewer_of(render(given))["env"] if e["name"] == "STREAMER_TOKEN"]
    assert token["valueFrom"]["secretKeyRef"] == {"name": "t", "key": "token"}
    off = merged(LEAST, {"tests": {"enabled": False}})
    assert "Pod" not in {one["kind"] for one in render(off)}
