import hashlib
import json
import platform
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest

import values_table
from rendered import CHART, LEAST, SHAPES, helm_python, merged, notes, render, rendered, shape

HERE = Path(__file__).parent
VERSIONS = ["1.31", "1.34", "1.37"]
CUSTOM = {"keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io", "stunner.l7mp.io"}


ENGINE = "9108c3a68d6ed3a394d02543bb4afeeb9f9e2bbcf9fbc228f48ac5576e3bdf83"
"""SHA-256 of the library of helm-python-sdk 0.2.2 for x86-64: pip's constraints know no hashes."""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other machines have another library")
def test_the_engine_is_the_one_that_was_looked_at():
    library = Path(helm_python.__file__).parent / "lib/libhelm_c.so"
    with library.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == ENGINE


def group_of(one: dict[str, str]) -> str:
    group, _, version = one["apiVersion"].partition("/")
    return group if version else ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SHAPES)
def test_strict_lint_finds_nothing(name: str, version: str):
    report = helm_python.lint(CHART, shape(name), strict=True, kube_version=f"v{version}.0")
    assert not report["errors"]
    assert not [m for m in report["messages"] if m["severity"] > 1], report["messages"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SHAPES)
def test_objects_are_valid_and_have_no_unknown_fields(name: str, version: str):
    for one in rendered(name):
        if group_of(one) not in CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


def test_the_validator_refuses_a_field_that_kubernetes_does_not_have():
    (account,) = [one for one in rendered("minimal-cpu") if one["kind"] == "ServiceAccount"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(account | {"automountToken": False}, "1.34", strict=True)


def check_custom(objects: list[dict[str, object]]) -> "subprocess.CompletedProcess[str]":
    if shutil.which("node") is None or not (HERE / "node_modules").is_dir():
        pytest.skip("npm ci --prefix tests/helm was not run")
    command = ["node", str(HERE / "custom_objects.cjs")]
    text = json.dumps(objects)
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SHAPES)
def test_objects_of_operators_are_valid(name: str):
    found = [one for one in rendered(name) if group_of(one) in CUSTOM - {"stunner.l7mp.io"}]
    done = check_custom(found)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("kind", "field"), [("ScaledObject", "triggers"), ("PodMonitor", "podMetricsEndpoints")]
)
def test_objects_of_operators_are_refused_with_a_wrong_field(kind: str, field: str):
    (one,) = [one for one in rendered("all-on") if one["kind"] == kind]
    wrong = one | {"spec": one["spec"] | {field: 3}}
    done = check_custom([wrong])
    assert (done.returncode, field in done.stderr) == (2, True), done.stderr


def test_the_operator_s_schema_knows_how_a_fleet_is_kept():
    (one,) = [one for one in rendered("all-on") if one["kind"] == "ScaledObject"]
    fallback = one["spec"]["fallback"] | {"behavior": "keep"}
    wrong = one | {"spec": one["spec"] | {"fallback": fallback}}
    done = check_custom([wrong])
    assert (done.returncode, "behavior" in done.stderr) == (2, True), done.stderr


def test_nine_shapes_render_every_template():
    kinds = {one["kind"] for name in SHAPES for one in rendered(name)}
    assert len(SHAPES) == 9
    assert kinds == {
        *("Deployment", "Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"),
        *("HorizontalPodAutoscaler", "ScaledObject", "HTTPRoute", "Ingress", "Gateway"),
        *("Role", "RoleBinding", "UDPRoute", "PodMonitor", "PrometheusRule", "ConfigMap", "Pod"),
    }


def test_no_two_objects_of_a_release_have_one_name():
    for name in SHAPES:
        names = [(one["kind"], one["metadata"]["name"]) for one in rendered(name)]
        assert len(names) == len(set(names))


def test_a_long_release_name_makes_valid_names():
    with helm_python.Chart.load(CHART) as chart:
        texts = chart.render(shape("all-on") | {"fullnameOverride": ""}, name="r" * 53)
    assert "r" * 53 in texts["streamer/templates/services.yaml"]
    assert all(len(w) <= 63 for t in texts.values() for w in t.split() if w.startswith("rrr"))


def test_every_value_has_a_reason():
    assert not values_table.undocumented_keys()


def test_the_readme_has_the_table_that_values_yaml_makes():
    assert values_table.README.read_text() == values_table.written()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpu-keda", "UDP 20000-20199 from the clients to the pods"),
        ("hostnetwork", "UDP 20000-20199 from the clients to the nodes"),
        ("stunner", "UDP 3478 from the clients to the load balancer of Gateway demo-streamer-turn"),
        ("turn-external", "turns:turn.example.org:5349"),
        ("hostnetwork", "close TCP 8080 and 9464 there"),
        ("hpa", "Scale-in takes any pod"),
        ("minimal-cpu", "WARNING: auth.mode is anonymous"),
    ],
)
def test_the_notes_tell_what_to_open(name: str, words: str):
    assert words in notes(shape(name))


def test_the_notes_warn_of_pods_that_cannot_take_tracks_over():
    values = merged(LEAST, {"replicaCount": 2})
    assert "resume.existingSecret is empty" in notes(values)
    shared = merged(values, {"resume": {"existingSecret": "s"}})
    assert "resume.existingSecret is empty" not in notes(shared)


def test_a_subchart_s_global_values_are_taken():
    assert render(merged(LEAST, {"global": {"region": "here"}}))


def test_the_notes_say_nothing_of_scale_in_where_costs_are_written():
    assert "Scale-in takes any pod" not in notes(shape("gpu-keda"))
