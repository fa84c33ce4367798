import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rendered import LEAST, SHAPES, Object, container_of, hook_of, pod_of, render, rendered

regopy = pytest.importorskip("regopy", reason="regopy is not installed")

POLICY = (Path(__file__).parent / "policy.rego").read_text()
ROLE = {
    "kind": "Role",
    "metadata": {"name": "r", "namespace": "masks"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
}


def faults(objects: list[Object]) -> set[str]:
    interpreter = regopy.Interpreter()
    interpreter.add_module("policy.rego", POLICY)
    interpreter.set_input(objects)
    (result,) = json.loads(str(interpreter.query("data.chart.deny")))["expressions"]
    return set(result)


@pytest.mark.parametrize("name", SHAPES)
def test_no_shape_has_a_fault(name: str):
    assert faults(rendered(name)) == set()


def test_the_least_values_make_no_fault():
    assert faults(render(LEAST)) == set()


def own(objects: list[Object]) -> Object:
    """The serving container's security context."""
    return container_of(objects)["securityContext"]


MUTANTS: list[tuple[str, Callable[[list[Object]], object]]] = [
    ("streamer may run as root", lambda o: pod_of(o)["securityContext"].pop("runAsNonRoot")),
    ("viewer may run as root", lambda o: hook_of(o)["securityContext"].pop("runAsNonRoot")),
    ("weights may run as root", lambda o: weights(o).update(runAsNonRoot=False)),
    ("streamer runs as root", lambda o: own(o).update(runAsUser=0)),
    (
        "streamer has no seccomp profile",
        lambda o: pod_of(o)["securityContext"].pop("seccompProfile"),
    ),
    (
        "streamer has no seccomp profile",
        lambda o: own(o).update(seccompProfile={"type": "Unconfined"}),
    ),
    ("streamer can gain privileges", lambda o: own(o).pop("allowPrivilegeEscalation")),
    ("streamer is privileged", lambda o: own(o).update(privileged=True)),
    ("streamer keeps capabilities", lambda o: own(o).pop("capabilities")),
    ("streamer adds capabilities", lambda o: own(o)["capabilities"].update(add=["NET_ADMIN"])),
    ("streamer can write to its root", lambda o: own(o).update(readOnlyRootFilesystem=False)),
    ("streamer has no limit of memory", lambda o: resources(o)["limits"].pop("memory")),
    ("streamer has no limit of cpu", lambda o: resources(o)["limits"].pop("cpu")),
    ("streamer has no request of cpu", lambda o: resources(o)["requests"].pop("cpu")),
    (
        "streamer runs whatever example.org:5000/s:latest is now",
        lambda o: container_of(o).update(image="example.org:5000/s:latest"),
    ),
    (
        "streamer runs whatever example.org:5000/s is now",
        lambda o: container_of(o).update(image="example.org:5000/s"),
    ),
    ("demo-streamer shares the node's hostPID", lambda o: pod_of(o).update(hostPID=True)),
    (
        "demo-streamer mounts the node's /",
        lambda o: pod_of(o)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
    ),
    (
        "demo-streamer sets what is not its own: sysctl net.core.somaxconn",
        lambda o: sysctls(o).append({"name": "net.core.somaxconn", "value": "1"}),
    ),
    (
        "demo-streamer sets net.ipv4.ip_local_reserved_ports of the node",
        lambda o: pod_of(o).update(hostNetwork=True),
    ),
    ("demo-streamer may lose media ports to its own connections", lambda o: sysctls(o).clear()),
    (
        "demo-streamer may lose media ports to its own connections",
        lambda o: sysctls(o)[0].update(value="20000-20100"),
    ),
    (
        "streamer has a port of the node",
        lambda o: container_of(o)["ports"][0].update(hostPort=8080),
    ),
    (
        "demo-streamer is given a token that it does not ask for",
        lambda o: pod_of(o).update(automountServiceAccountToken=True),
    ),
    (
        "streamer: secret STREAMER_TURN_SECRET stands in the object",
        lambda o: container_of(o)["env"].append({"name": "STREAMER_TURN_SECRET", "value": "x"}),
    ),
    ("streamer: probe is missing: livenessProbe", lambda o: container_of(o).pop("livenessProbe")),
    ("Role r says *", lambda o: o.append(ROLE | {"rules": [ROLE["rules"][0] | {"verbs": ["*"]}]})),
    (
        "Role r reads secrets",
        lambda o: o.append(ROLE | {"rules": [ROLE["rules"][0] | {"resources": ["secrets"]}]}),
    ),
    (
        "ClusterRole r is the whole cluster's",
        lambda o: o.append(ROLE | {"kind": "ClusterRole"}),
    ),
    (
        "Deployment demo-streamer names no namespace",
        lambda o: next(x for x in o if x["kind"] == "Deployment")["metadata"].pop("namespace"),
    ),
]


def sysctls(objects: list[Object]) -> list[Object]:
    return pod_of(objects)["securityContext"]["sysctls"]


def weights(objects: list[Object]) -> Object:
    (init,) = pod_of(objects)["initContainers"]
    return init["securityContext"]


def resources(objects: list[Object]) -> Object:
    return container_of(objects)["resources"]


@pytest.mark.parametrize(("fault", "break_it"), MUTANTS, ids=[f for f, _ in MUTANTS])
def test_a_mutant_has_the_fault(fault: str, break_it: Callable[[list[Object]], object]):
    objects = copy.deepcopy(rendered("gpu-keda"))
    break_it(objects)
    assert fault in faults(objects)


def test_every_rule_has_a_mutant():
    words = {
        line.split('sprintf("')[1].split('"')[0]
        for line in POLICY.splitlines()
        if "deny" in line and "sprintf" in line
    }

    def is_told(rule: str) -> bool:
        parts = [part for part in rule.split("%s") if part.strip(" :")]
        return any(all(part in fault for part in parts) for fault, _ in MUTANTS)

    assert len(words) > 15
    assert [rule for rule in words if not is_told(rule)] == []
