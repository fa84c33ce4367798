import re
from pathlib import Path

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


@pytest.mark.parametrize("name", STREAMERS)
def test_compose_and_chart_agree_on_what_they_both_set(name: str):
    chart = {one["name"]: one.get("value") for one in container_of(rendered(CHART))["env"]}
    same = ("STREAMER_HOST", "STREAMER_PORT", "STREAMER_USES_ICE_SERVERS", "XDG_CACHE_HOME")
    limits = ("STREAMER_DRAIN_TIMEOUT_S", "STREAMER_STOP_TIMEOUT_S")
    for variable in same + limits:
        assert given(name)[variable] == chart[variable], variable


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


def test_grafana_s_dashboard_lies_where_its_provider_looks():
    provider = yaml.safe_load((DEPLOY / "grafana/dashboards.yml").read_text())["providers"][0]
    folder = provider["options"]["path"]
    assert any(f":{folder}/" in volume for volume in SERVICES["grafana"]["volumes"])
