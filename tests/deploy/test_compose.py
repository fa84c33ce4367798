import json
import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest
import yaml
from observed import DEPLOY

from rendered import Object, container_of, pod_of, rendered
from streamer.config import Settings
from streamer.fleet.kube_api import SERVICE_ACCOUNT

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
STREAMERS = ["streamer", "streamer-gpu"]
CHART = "gpu-keda"


def seconds(duration: str) -> int:
    return int(re.fullmatch(r"(\d+)s", duration)[1])


def given(service: str) -> dict[str, str]:
    """Variables that compose sets whatever the shell has."""
    variables = SERVICES[service]["environment"]
    found = {name: value for name, value in variables.items() if value is not None}
    return {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in found.items()}


@pytest.mark.parametrize("name", STREAMERS)
def test_the_service_takes_the_environment(name: str, monkeypatch: pytest.MonkeyPatch):
    for variable, value in given(name).items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.device == ("cuda" if name == "streamer-gpu" else "cpu")
    assert settings.media_public_address == "127.0.0.1"


@pytest.mark.parametrize("name", STREAMERS)
def test_every_variable_is_a_setting(name: str):
    variables = SERVICES[name]["environment"]
    ours = {v.removeprefix("STREAMER_").lower() for v in variables if v.startswith("STREAMER_")}
    assert ours <= set(Settings.model_fields)


@pytest.mark.parametrize("name", STREAMERS)
def test_it_is_as_closed_as_a_pod_of_the_chart(name: str):
    pod, container = pod_of(rendered(CHART)), container_of(rendered(CHART))
    service = SERVICES[name]
    who = pod["securityContext"]
    assert service["user"] == f"{who['runAsUser']}:{who['runAsGroup']}"
    assert service["read_only"] is container["securityContext"]["readOnlyRootFilesystem"]
    assert service["cap_drop"] == container["securityContext"]["capabilities"]["drop"]
    assert "no-new-privileges:true" in service["security_opt"]
    written = {path.split(":")[0] for path in service["tmpfs"]}
    written |= {volume.split(":")[1] for volume in service["volumes"]}
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert written == mounted - {str(SERVICE_ACCOUNT)}  # compose has no API server
    assert service["command"] == container["args"]


@pytest.mark.parametrize("name", STREAMERS)
def test_the_ports_of_media_are_published_under_their_own_numbers(name: str):
    first, last = yaml.safe_load(given(name)["STREAMER_MEDIA_PORTS"])
    assert f"{first}-{last}:{first}-{last}/udp" in SERVICES[name]["ports"]
    assert last - first + 1 >= Settings.model_fields["max_sessions"].default


@pytest.mark.parametrize("name", STREAMERS)
def test_it_is_stopped_no_sooner_than_its_drain_may_take(name: str):
    variables = given(name)
    drain = int(variables["STREAMER_DRAIN_TIMEOUT_S"]) + int(variables["STREAMER_STOP_TIMEOUT_S"])
    assert seconds(SERVICES[name]["stop_grace_period"]) >= drain + 15


ONLY_COMPOSE = {
    "STREAMER_ALLOW_ANONYMOUS": "HTTP is on loopback; the chart asks for a Secret",
    "STREAMER_MEDIA_PUBLIC_ADDRESS": "a container's address is nobody's; a pod's is its own",
    "STREAMER_TURN_SECRET": "compose has a coturn; in the chart it comes with media.turn",
}
ONLY_CHART = {
    "POD_IP": "what the two below are made of",
    "STREAMER_MEDIA_ADDRESSES": "compose's container has one address, which it finds",
    "STREAMER_PEER_ADDRESS": "compose has one pod",
    "STREAMER_PEER_SECRET": "compose has one pod",
    "STREAMER_PEER_SERVICE": "compose has one pod",
    "STREAMER_PLACEMENT": "compose has one pod",
    "STREAMER_DELETION_COST_LEASE": "compose scales nothing",
    "STREAMER_DELETION_COST_SELECTOR": "compose scales nothing",
    "STREAMER_BLOCKED_NETWORKS": "viewers may be near this machine: the service's default, its own "
    "addresses and metadata servers",
    "STREAMER_METRICS_PORT": "compose's HTTP is on loopback, where /metrics may stand beside it",
    "STREAMER_THREADS": "compose sets no limit of CPU to take it from",
    "STREAMER_MODEL": "compose serves what is in the image, by the service's defaults",
    "STREAMER_DTYPE": "the service's default",
    "STREAMER_COMPILED_ROWS": "the service's default",
    "STREAMER_IMAGE_SIZE": "the service's default",
    "STREAMER_MAX_SESSIONS": "the service's default",
    "STREAMER_STEP_BUDGET_MS": "the service's default",
    "STREAMER_RETRY_AFTER_S": "the service's default",
    "STREAMER_DRAIN_SPREAD_S": "the service's default",
}
DIFFERENT = {
    "STREAMER_DEVICE": "by the profile; by gpu.count",
    "STREAMER_MEDIA_PORTS": "each published port is a rule of the machine's packet filter",
    "STREAMER_ICE_SERVERS": "passed on from the shell",
    "STREAMER_TOKEN_SECRET": "passed on from the shell; from a Secret",
    "STREAMER_RESUME_SECRET": "passed on from the shell; from a Secret",
}


@pytest.mark.parametrize("name", STREAMERS)
def test_compose_and_chart_set_the_same_but_for_what_has_a_reason(name: str):
    chart = {one["name"]: one.get("value") for one in container_of(rendered(CHART))["env"]}
    compose = SERVICES[name]["environment"]
    assert set(compose) - set(chart) == set(ONLY_COMPOSE)
    assert set(chart) - set(compose) == set(ONLY_CHART)
    differing = {v for v in set(chart) & set(compose) if given(name).get(v) != chart[v]}
    of_a_gpu = {"STREAMER_DEVICE"} if name == "streamer-gpu" else set()
    secrets_are_none = {"STREAMER_TOKEN_SECRET", "STREAMER_RESUME_SECRET"}
    assert differing | secrets_are_none == set(DIFFERENT) - of_a_gpu


@pytest.mark.parametrize("name", STREAMERS)
def test_compose_s_ports_are_the_chart_s(name: str):
    container = container_of(rendered(CHART))
    chart = {one["name"]: one.get("value") for one in container["env"]}
    (http,) = [port["containerPort"] for port in container["ports"] if port["name"] == "http"]
    published = [port.split(":")[-1] for port in SERVICES[name]["ports"]]
    assert f"{http}/tcp" in published
    first, last = yaml.safe_load(given(name)["STREAMER_MEDIA_PORTS"])
    chart_first, chart_last = yaml.safe_load(chart["STREAMER_MEDIA_PORTS"])
    assert first == chart_first
    assert last <= chart_last


@pytest.mark.parametrize("name", SERVICES)
def test_only_media_is_published_beyond_loopback(name: str):
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:") or port.endswith("/udp")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_profile_a_pinned_image_and_no_capabilities(name: str):
    service = SERVICES[name]
    assert service["profiles"]
    assert re.search(r":v?\d+\.\d+\.\d+(-c\w+)?$", service["image"])
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_mounted_is_there(name: str):
    paths = [v.split(":")[0] for v in SERVICES[name].get("volumes", []) if v.startswith(".")]
    assert all((DEPLOY / path).is_file() for path in paths)


def test_prometheus_finds_its_rules_and_the_service():
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    mounted = {Path(v.split(":")[1]).name for v in SERVICES["prometheus"]["volumes"]}
    assert set(config["rule_files"]) <= mounted
    (target,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == f"streamer:{given('streamer')['STREAMER_PORT']}"
    assert SERVICES["streamer-gpu"]["networks"]["default"]["aliases"] == ["streamer"]


def test_no_secret_has_a_default():
    def secrets_of(service: Object) -> list[object]:
        variables = service.get("environment", {})
        return [value for name, value in variables.items() if "SECRET" in name]

    assert [v for service in SERVICES.values() for v in secrets_of(service) if v] == []


def grafana(name: str) -> Object:
    return yaml.safe_load((DEPLOY / f"grafana/{name}.yml").read_text())


def mounted_in_grafana() -> dict[str, str]:
    """Source -> place."""
    parts = [volume.split(":") for volume in SERVICES["grafana"]["volumes"]]
    return {source: place for source, place, *_ in parts}


def test_grafana_s_files_lie_where_it_looks_for_them():
    provisioning = "/etc/grafana/provisioning"
    (provider,) = grafana("dashboards")["providers"]
    mounted = mounted_in_grafana()
    assert PurePosixPath(mounted["./grafana/datasources.yml"]).is_relative_to(
        f"{provisioning}/datasources"
    )
    assert PurePosixPath(mounted["./grafana/dashboards.yml"]).is_relative_to(
        f"{provisioning}/dashboards"
    )
    (dashboard,) = [place for source, place in mounted.items() if source.endswith("dashboard.json")]
    assert str(PurePosixPath(dashboard).parent) == provider["options"]["path"]
    assert provider["type"] == "file"


def test_grafana_asks_compose_s_prometheus():
    (source,) = grafana("datasources")["datasources"]
    at = urlsplit(source["url"])
    assert at.hostname in SERVICES
    (port,) = SERVICES[at.hostname]["ports"]
    assert port.split(":")[-1] == f"{at.port}/tcp"
    assert SERVICES[at.hostname]["image"].split(":")[0].endswith("/prometheus")


def test_the_dashboard_asks_the_source_that_its_reader_chooses():
    dashboard = json.loads((DEPLOY / "dashboard.json").read_text())
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    (source,) = grafana("datasources")["datasources"]
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == source["type"]
    chosen = {"type": source["type"], "uid": "${datasource}"}
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) > 20
    assert [panel["title"] for panel in panels if panel["datasource"] != chosen] == []
    assert [
        t for panel in panels for t in panel["targets"] if t.get("datasource", chosen) != chosen
    ] == []
    asked = [one for one in variables.values() if one["type"] == "query"]
    assert [one["datasource"] for one in asked] == [chosen] * len(asked)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
