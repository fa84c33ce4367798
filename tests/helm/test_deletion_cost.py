import ipaddress
from pathlib import PurePosixPath

import pytest

from rendered import SHAPES, Object, container_of, pod_of, rendered, the
from streamer.fleet.kube_api import SERVICE_ACCOUNT

WITH = ["all-on", "gpu-keda"]


def allowed(objects: list[Object]) -> set[tuple[str, str, str]]:
    """(verb, resource, name or "") of the Role."""
    return {
        (verb, resource, name)
        for rule in the("Role", objects)["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


@pytest.mark.parametrize("name", WITH)
def test_the_role_allows_what_the_leader_asks_and_no_more(name: str):
    full = the("Deployment", rendered(name))["metadata"]["name"]
    assert allowed(rendered(name)) == {
        ("list", "pods", ""),
        ("patch", "pods", ""),
        ("create", "leases", ""),
        ("get", "leases", full),
        ("update", "leases", full),
    }
    (lease,) = [
        e["value"] for e in container_of(rendered(name))["env"] if e["name"].endswith("COST_LEASE")
    ]
    assert lease == full


@pytest.mark.parametrize("name", WITH)
def test_the_role_is_given_to_the_pods_account(name: str):
    objects = rendered(name)
    binding = the("RoleBinding", objects)
    assert binding["roleRef"]["name"] == the("Role", objects)["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject["name"] == pod_of(objects)["serviceAccountName"]
    assert subject["namespace"] == the("Deployment", objects)["metadata"]["namespace"]


@pytest.mark.parametrize("name", WITH)
def test_the_selector_finds_the_service_s_pods_and_not_the_hook(name: str):
    objects = rendered(name)
    (text,) = [
        e["value"] for e in container_of(objects)["env"] if e["name"].endswith("COST_SELECTOR")
    ]
    wanted = dict(part.split("=") for part in text.split(","))
    labels = the("Deployment", objects)["spec"]["template"]["metadata"]["labels"]
    assert wanted.items() <= labels.items()
    assert not wanted.items() <= the("Pod", objects)["metadata"]["labels"].items()


@pytest.mark.parametrize("name", WITH)
def test_the_service_alone_gets_a_token_where_it_looks_for_it(name: str):
    pod = pod_of(rendered(name))
    assert pod["automountServiceAccountToken"] is False
    places = {
        container["name"]: {PurePosixPath(m["mountPath"]) for m in container["volumeMounts"]}
        for container in [*pod["containers"], *pod.get("initContainers", [])]
    }
    holders = [who for who, paths in places.items() if PurePosixPath(SERVICE_ACCOUNT) in paths]
    assert holders == ["streamer"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "token"]
    files = set()
    for source in volume["projected"]["sources"]:
        (one,) = source.values()
        files |= {item["path"] for item in one.get("items", [one])}
    assert files == {"token", "ca.crt", "namespace"}


@pytest.mark.parametrize("name", WITH)
def test_the_policy_lets_the_leader_out_to_the_api_server_by_tcp_only(name: str):
    rules = the("NetworkPolicy", rendered(name))["spec"]["egress"]
    near = ipaddress.ip_network("10.96.0.1/32")
    out = [
        port
        for rule in rules
        for to in rule.get("to", [])
        if "ipBlock" in to and to["ipBlock"]["cidr"] == "0.0.0.0/0"
        and not any(near.subnet_of(ipaddress.ip_network(e)) for e in to["ipBlock"]["except"])
        for port in rule["ports"]
    ]  # fmt: skip
    assert out == [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]


@pytest.mark.parametrize("name", [name for name in SHAPES if name not in WITH])
def test_without_it_there_is_no_role_and_no_token(name: str):
    assert not {"Role", "RoleBinding"} & {one["kind"] for one in rendered(name)}
    assert all("projected" not in volume for volume in pod_of(rendered(name))["volumes"])
