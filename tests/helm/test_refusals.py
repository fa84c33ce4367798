import json
from collections.abc import Iterator

import pytest
import yaml

from rendered import CHART, LEAST, Object, helm_python, merged, render

WRONG_VALUES = [
    {"replicas": 3},
    {"image": {"tag": "latest"}},
    {"image": {"digest": "sha256:12"}},
    {"image": {"repository": "example.org/s:1"}},
    {"gpu": {"count": 2}},
    {"gpu": {"resource": "gpu"}},
    {"model": {"imageSize": 500}},
    {"model": {"compiledRows": 3}},
    {"model": {"dtype": "float16"}},
    {"weights": {"source": "hostPath"}},
    {"weights": {"image": "example.org/weights:1"}},
    {"weights": {"file": "/etc/passwd"}},
    {"sessions": {"max": 0}},
    {"sessions": {"stepBudgetMs": 0}},
    {"settings": {"step_budget_ms": 33}},
    {"resources": {"limits": None}},
    {"media": {"mode": "bridge"}},
    {"media": {"ports": {"last": 70_000}}},
    {"media": {"reservePorts": "20000-20199"}},
    {"media": {"iceServers": [{"urls": "http://example.org"}]}},
    {"media": {"iceServers": [{"urls": "stun://example.org"}]}},
    {"media": {"iceServers": [{"urls": "turn:example.org", "credential": "in the clear"}]}},
    {"media": {"turn": {"secret": "in the clear"}}},
    {"auth": {"mode": "none"}},
    {"auth": {"secret": "in the clear"}},
    {"settings": {"max_sessions": 3}},
    {"settings": {"no_such": 3}},
    {"settings": {"token_secret": "in the clear"}},
    {"autoscaling": {"mode": "both"}},
    {"autoscaling": {"mode": "hpa"}, "replicaCount": 3},
    {"autoscaling": {"mode": "keda", "prometheusAddress": "http://p"}, "replicaCount": 3},
    {"autoscaling": {"target": 1.5}},
    {"route": {"type": "both"}},
    {"cache": {"sizeLimit": "much"}},
    {"drain": {"seconds": -1}},
    {"networkPolicy": {"mediaFromCidrs": []}},
    {"networkPolicy": {"apiServerCidrs": []}},
    {"deletionCost": {"enabled": "yes"}},
    {"tests": {"tokenSecret": "a secret itself"}},
    {"peers": {"placement": "random"}},
    {"metrics": {"port": 8080}},
    {"settings": {"metrics_port": 9090}},
    {"networkPolicy": {"metricsFrom": []}},
    {"podMonitor": {"interval": "often"}},
]

CONTRADICTIONS: list[tuple[Object, str]] = [
    ({"image": {"repository": ""}}, "image.repository"),
    ({"auth": {"mode": "tokenSecret"}}, "auth.existingSecret"),
    ({"terminationGracePeriodSeconds": 94}, "a drain takes up to 95 s"),
    ({"terminationGracePeriodSeconds": 300, "drain": {"seconds": 300}}, "up to 335 s"),
    ({"media": {"ports": {"first": 20_000, "last": 20_006}}}, "room for 7 sessions"),
    ({"media": {"ports": {"first": 20_010, "last": 20_006}}}, "room for -3 sessions"),
    (
        {
            "media": {"mode": "hostNetwork"},
            "podSecurityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]},
        },
        "the node's, which a pod may not set",
    ),
    ({"media": {"publicAddress": "203.0.113.7"}, "replicaCount": 2}, "belongs to one pod"),
    ({"media": {"mode": "stunner"}}, "needs a TURN server"),
    (
        {"media": {"mode": "turnOnly", "iceServers": [{"urls": "stun:example.org"}]}},
        "needs a TURN server",
    ),
    ({"media": {"iceServers": [{"urls": "turn:example.org"}]}}, "media.turn.existingSecret"),
    ({"model": {"name": "sam2.1-hiera-tiny"}}, "not in the image"),
    ({"weights": {"source": "pvc", "file": "a.pt"}}, "weights.existingClaim"),
    ({"weights": {"source": "pvc", "existingClaim": "w"}}, "weights.file"),
    ({"weights": {"source": "imageVolume", "file": "a.pt"}}, "weights.image"),
    ({"cache": {"type": "pvc"}}, "cache.existingClaim"),
    ({"autoscaling": {"mode": "keda"}}, "prometheusAddress"),
    ({"autoscaling": {"minReplicas": 11}}, "above autoscaling.maxReplicas"),
    ({"settings": {"media_workers": 2}}, "metrics.port null"),
    (
        {
            "settings": {"media_workers": 2},
            "metrics": {"port": None},
            "peers": {"existingSecret": "s"},
        },
        "no peers.existingSecret",
    ),
    ({"deletionCost": {"enabled": True}}, "peers.existingSecret"),
    (
        {
            "deletionCost": {"enabled": True},
            "peers": {"existingSecret": "s"},
            "serviceAccount": {"create": False},
        },
        "ServiceAccount of its own",
    ),
    ({"route": {"type": "httpRoute"}}, "route.parentRefs"),
    ({"route": {"type": "ingress"}}, "route.hostnames"),
]


def test_the_least_values_are_taken():
    assert render(LEAST)


@pytest.mark.parametrize("wrong", WRONG_VALUES, ids=str)
def test_the_schema_refuses(wrong: Object):
    with pytest.raises(helm_python.HelmValuesError):
        render(merged(LEAST, wrong))


@pytest.mark.parametrize(("values", "words"), CONTRADICTIONS, ids=str)
def test_values_that_contradict_each_other_are_refused_with_what_to_do(values: Object, words: str):
    with pytest.raises(helm_python.HelmRenderError, match=words):
        render(merged(LEAST, values))


SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def rooms(schema: Object, path: str = "") -> Iterator[tuple[str, Object]]:
    """All objects of the schema whose keys are named, by their dotted path."""
    if "properties" in schema:
        yield path, schema
    for key, below in schema.get("properties", {}).items():
        yield from rooms(below, f"{path}.{key}".lstrip("."))
    if "items" in schema:
        yield from rooms(schema["items"], f"{path}[]")


def test_the_schema_takes_no_key_that_it_does_not_name():
    found = dict(rooms(SCHEMA))
    assert len(found) > 20
    assert [path for path, room in found.items() if room["additionalProperties"] is not False] == []


def test_the_schema_names_what_the_manual_names_and_nothing_else():
    for path, room in rooms(SCHEMA):
        if path == "settings" or path.endswith("[]"):
            continue
        values = VALUES
        for key in filter(None, path.split(".")):
            values = values[key]
        assert set(values) == set(room["properties"]) - {"global"}, path


@pytest.mark.parametrize("path", [path for path, _ in rooms(SCHEMA) if "[]" not in path])
def test_a_mistyped_key_is_refused_wherever_it_stands(path: str):
    wrong: Object = {"mistyped": 1}
    for key in reversed(list(filter(None, path.split(".")))):
        wrong = {key: wrong}
    with pytest.raises(helm_python.HelmValuesError, match="mistyped"):
        render(merged(LEAST, wrong))
