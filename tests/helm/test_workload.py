import ipaddress
import json
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rendered import (
    CHART,
    LEAST,
    SHAPES,
    Object,
    container_of,
    merged,
    pod_of,
    render,
    rendered,
    the,
)
from streamer.config import Settings

PUBLIC_KEY = (
    Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
SECRETS = {"STREAMER_TOKEN_PUBLIC_KEY": PUBLIC_KEY}
METADATA_SERVERS = ["169.254.169.254", "fd00:ec2::254", "100.100.100.200"]
NEAR = ["10.96.0.1", "172.16.3.4", "192.168.0.1", "127.0.0.1", "fd12::1", "fe80::1", "::1"]


def environment_of(objects: list[Object]) -> dict[str, str]:
    """What the kubelet would make of a pod's env."""
    found: dict[str, str] = {}
    for one in container_of(objects)["env"]:
        source = one.get("valueFrom", {})
        if "fieldRef" in source:
            found[one["name"]] = "10.1.2.3"
        elif "resourceFieldRef" in source:
            found[one["name"]] = container_of(objects)["resources"]["limits"]["cpu"]
        elif "secretKeyRef" in source:
            found[one["name"]] = SECRETS.get(one["name"], "s" * 32)
        else:
            found[one["name"]] = one["value"].replace("$(POD_IP)", found.get("POD_IP", ""))
    return found


def settings_names(objects: list[Object]) -> set[str]:
    names = environment_of(objects)
    prefix = "STREAMER_"
    return {name.removeprefix(prefix).lower() for name in names if name.startswith(prefix)}


@pytest.mark.parametrize("name", SHAPES)
def test_the_service_takes_the_environment(name: str, monkeypatch: pytest.MonkeyPatch):
    for variable, value in environment_of(rendered(name)).items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    limits = container_of(rendered(name))["resources"]["limits"]
    assert settings.media_addresses == ("10.1.2.3",)
    assert settings.media_ports == (20_000, 20_199)
    assert settings.device == ("cpu" if name == "minimal-cpu" else "cuda")
    assert settings.threads == int(limits["cpu"])


def test_settings_reach_the_service_as_they_were_given(monkeypatch: pytest.MonkeyPatch):
    for variable, value in environment_of(rendered("all-on")).items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert (settings.log_level, settings.max_tracks) == ("debug", 8)
    assert settings.visible_above == 0.75
    assert settings.cors_origins == ("https://app.example.org",)
    assert settings.ice_servers[1].is_turn


def test_every_setting_of_the_service_is_set_by_the_chart_or_can_be():
    schema = json.loads((CHART / "values.schema.json").read_text())
    free = set(schema["properties"]["settings"]["properties"])
    everything = [merged(LEAST, {"media": {"publicAddress": "203.0.113.7"}})]
    shapes = [rendered(n) for n in SHAPES if n != "all-on"] + [render(v) for v in everything]
    owned = set().union(*map(settings_names, shapes)) | {"drain_url"}
    assert not free & owned
    assert free | owned == set(Settings.model_fields)


@pytest.mark.parametrize("name", SHAPES)
def test_no_secret_stands_in_an_object(name: str):
    for one in container_of(rendered(name))["env"]:
        if re.search("SECRET|PUBLIC_KEY", one["name"]):
            assert set(one["valueFrom"]) == {"secretKeyRef"}


@pytest.mark.parametrize("name", SHAPES)
def test_pods_meet_the_level_restricted_and_write_to_volumes_only(name: str):
    pod = pod_of(rendered(name))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod.get("hostNetwork", False) is (name == "hostnetwork")
    for container in pod["containers"] + pod.get("initContainers", []):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        assert {"/tmp", "/cache"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        assert not container["image"].endswith(":latest")
    allowed = {"emptyDir", "persistentVolumeClaim", "image", "projected"}
    assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"])


@pytest.mark.parametrize("name", SHAPES)
def test_the_grace_period_covers_the_drain(name: str):
    container, pod = container_of(rendered(name)), pod_of(rendered(name))
    variables = environment_of(rendered(name))
    drain = int(variables["STREAMER_DRAIN_TIMEOUT_S"]) + int(variables["STREAMER_STOP_TIMEOUT_S"])
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] >= waits + drain + 15


@pytest.mark.parametrize("name", SHAPES)
def test_an_autoscaler_owns_the_number_of_pods(name: str):
    kinds = {one["kind"] for one in rendered(name)}
    scalers = kinds & {"HorizontalPodAutoscaler", "ScaledObject"}
    assert len(scalers) <= 1
    assert ("replicas" in the("Deployment", rendered(name))["spec"]) is not bool(scalers)


def test_keda_keeps_the_fleet_when_prometheus_is_silent():
    spec = the("ScaledObject", rendered("gpu-keda"))["spec"]
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert trigger["metadata"]["threshold"] == "5.6"


def test_a_gpu_is_asked_for_and_a_cpu_pod_asks_for_none():
    assert container_of(rendered("gpu-mig"))["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == 1
    limits = container_of(rendered("minimal-cpu"))["resources"]["limits"]
    assert set(limits) == {"cpu", "memory"}
    assert "tolerations" not in pod_of(rendered("minimal-cpu"))


@pytest.mark.parametrize("name", ["gpu-keda", "turn-external", "all-on"])
@pytest.mark.parametrize("address", METADATA_SERVERS + NEAR)
def test_a_candidate_of_a_client_cannot_aim_packets_at_what_is_near(name: str, address: str):
    spec = the("NetworkPolicy", rendered(name))["spec"]
    assert "Egress" in spec["policyTypes"]
    media = [rule for rule in spec["egress"] if "UDP" in {p["protocol"] for p in rule["ports"]}]
    assert not lets_through(media, address)
    assert lets_through(media, "203.0.113.9" if "." in address else "2001:db8::9")


@pytest.mark.parametrize("name", ["gpu-keda", "turn-external", "all-on"])
@pytest.mark.parametrize("address", METADATA_SERVERS)
def test_nothing_at_all_goes_to_a_metadata_server(name: str, address: str):
    assert not lets_through(the("NetworkPolicy", rendered(name))["spec"]["egress"], address)


def lets_through(egress: list[Object], address: str) -> bool:
    """Whether a block of addresses, not a selector of pods, lets packets to the address out."""
    target = ipaddress.ip_address(address)
    blocks = [to["ipBlock"] for rule in egress for to in rule.get("to", []) if "ipBlock" in to]
    return any(
        target in ipaddress.ip_network(block["cidr"])
        and not any(target in ipaddress.ip_network(net) for net in block.get("except", []))
        for block in blocks
    )


def test_only_the_mode_for_the_open_lets_media_in_from_the_world():
    def media_peers(name: str) -> list[Object]:
        rules = the("NetworkPolicy", rendered(name))["spec"]["ingress"]
        return [p for r in rules if r["ports"][0]["protocol"] == "UDP" for p in r["from"]]

    assert media_peers("gpu-keda")[0] == {"ipBlock": {"cidr": "0.0.0.0/0"}}
    assert [set(peer) for peer in media_peers("stunner")] == [{"namespaceSelector"}]
    assert media_peers("turn-external") == []


def test_pods_that_drain_can_be_found_by_the_headless_service_only():
    services = [one["spec"] for one in rendered("all-on") if one["kind"] == "Service"]
    public, headless = sorted(services, key=lambda spec: spec.get("clusterIP") == "None")
    assert headless["publishNotReadyAddresses"] is True
    assert not public.get("publishNotReadyAddresses", False)
    assert public["selector"] == headless["selector"]


def test_selectors_do_not_change_with_the_version():
    selector = the("Deployment", rendered("all-on"))["spec"]["selector"]["matchLabels"]
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}


@pytest.mark.parametrize(("mode", "uses"), [("turn-external", "true"), ("stunner", "false")])
def test_a_pod_takes_a_relay_of_its_own_only_where_nobody_reaches_it(mode: str, uses: str):
    assert environment_of(rendered(mode))["STREAMER_USES_ICE_SERVERS"] == uses


def test_weights_come_from_where_it_is_said():
    assert pod_of(rendered("gpu-keda"))["initContainers"][0]["command"][-1] == "sam2.1-hiera-tiny"
    checkpoint = environment_of(rendered("gpu-mig"))["STREAMER_CHECKPOINT"]
    assert checkpoint == "/weights/sam2.1_hiera_small.pt"
    assert "image" in pod_of(rendered("gpu-mig"))["volumes"][-1]
    assert "persistentVolumeClaim" in pod_of(rendered("no-monitoring"))["volumes"][-1]
    assert "STREAMER_CHECKPOINT" not in environment_of(rendered("minimal-cpu"))


def test_the_shipped_alerts_and_dashboard_arrive_as_they_are():
    rule = the("PrometheusRule", rendered("all-on"))["spec"]
    assert "{{ $value" in rule["groups"][0]["rules"][-1]["annotations"]["description"]
    text = the("ConfigMap", rendered("all-on"))["data"]["streamer.json"]
    assert json.loads(text) == json.loads((CHART / "files/dashboard.json").read_text())


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "no-monitoring"])
def test_metrics_have_a_port_that_no_service_leads_to(name: str):
    ports = {port["name"]: port["containerPort"] for port in container_of(rendered(name))["ports"]}
    assert environment_of(rendered(name))["STREAMER_METRICS_PORT"] == str(ports["metrics"])
    services = [one["spec"]["ports"] for one in rendered(name) if one["kind"] == "Service"]
    assert {port["targetPort"] for ports in services for port in ports} == {"http"}


def test_prometheus_comes_to_the_port_that_has_the_metrics():
    def port_of(values: Object) -> str:
        return the("PodMonitor", render(values))["spec"]["podMetricsEndpoints"][0]["port"]

    with_own = merged(LEAST, {"podMonitor": {"enabled": True}})
    assert port_of(with_own) == "metrics"
    beside = merged(with_own, {"metrics": {"port": None}, "settings": {"media_workers": 2}})
    assert port_of(beside) == "http"
    assert [port["name"] for port in container_of(render(beside))["ports"]] == ["http"]


def test_only_who_is_named_reads_metrics():
    rules = the("NetworkPolicy", rendered("gpu-keda"))["spec"]["ingress"]
    (rule,) = [rule for rule in rules if rule["ports"][0]["port"] == "metrics"]
    assert rule["from"] == [{"namespaceSelector": {}}]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("address", METADATA_SERVERS + NEAR)
def test_the_service_leaves_near_candidates_out_where_no_relay_is_near(
    name: str, address: str, monkeypatch: pytest.MonkeyPatch
):
    for variable, value in environment_of(rendered(name)).items():
        monkeypatch.setenv(variable, value)
    networks = Settings().blocked_networks
    if name in {"stunner", "turn-external"}:
        assert networks is None
    else:
        target = ipaddress.ip_address(address)
        assert any(target in network for network in networks)
