"""The chart on a real API server. Without $KUBEBUILDER_ASSETS all of it is skipped."""

import asyncio
from collections.abc import Iterator

import pytest
from control_plane import Cluster, assets, control_plane

from rendered import CHART, SHAPES, Object, helm_python, merged, pod_of, rendered, shape, the
from streamer.fleet.deletion_cost import ANNOTATION, CostWriter
from streamer.fleet.kube_api import InCluster, KubeApi
from streamer.fleet.lease import Lease
from streamer.fleet.placement import Load

OWN_KINDS = {"v1", "apps/v1", "policy/v1", "autoscaling/v2"}
OWN_KINDS |= {"networking.k8s.io/v1", "rbac.authorization.k8s.io/v1"}
PLAIN = [n for n in SHAPES if {one["apiVersion"] for one in rendered(n)} <= OWN_KINDS]
"""Shapes without operators' objects."""
DEPLOYMENT = "/apis/apps/v1/namespaces/masks/deployments/demo-streamer"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with control_plane(assets(), tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def helm(cluster: Cluster) -> Iterator["helm_python.Config"]:
    token = (cluster.folder / "token").read_text()
    with helm_python.Config(
        kube_apiserver=cluster.url,
        kube_token=token,
        kube_insecure_skip_tls_verify=True,
        namespace="masks",
    ) as config:
        yield config
        config.uninstall("demo", ignore_not_found=True)


def replicas(cluster: Cluster) -> int:
    return cluster.ask("GET", DEPLOYMENT).json()["spec"]["replicas"]


def test_a_release_is_installed_upgraded_and_rolled_back(
    cluster: Cluster, helm: "helm_python.Config"
):
    values = merged(shape("minimal-cpu"), {"replicaCount": 2})
    helm.install(CHART, "demo", values)
    assert replicas(cluster) == 2
    helm.upgrade(CHART, "demo", merged(values, {"replicaCount": 3, "sessions": {"max": 4}}))
    assert replicas(cluster) == 3
    with pytest.raises(helm_python.HelmError):
        helm.upgrade(CHART, "demo", merged(values, {"replicaCount": -1}))
    helm.rollback("demo", version=1)
    assert replicas(cluster) == 2
    assert len(helm.history("demo")) >= 3


@pytest.mark.parametrize("name", PLAIN)
def test_the_server_takes_every_object(cluster: Cluster, helm: "helm_python.Config", name: str):
    helm.install(CHART, "demo", shape(name), dry_run="server")


@pytest.mark.parametrize("name", SHAPES)
def test_pods_are_taken_where_the_level_is_restricted(cluster: Cluster, name: str):
    pod = {"metadata": {"name": "any"}, "spec": pod_of(rendered(name))}
    answer = cluster.ask("POST", "/api/v1/namespaces/masks/pods", pod, dryRun="All")
    if name == "hostnetwork":
        assert answer.status_code == 403
        assert "hostNetwork" in answer.text
    else:
        assert answer.status_code == 201, answer.text


def may(cluster: Cluster, verb: str, group: str, resource: str, name: str = "") -> bool:
    """Of the service's account, by the real authoriser."""
    asked = {"namespace": "masks", "verb": verb, "group": group, "resource": resource}
    account = the("RoleBinding", rendered("gpu-keda"))["subjects"][0]["name"]
    user = f"system:serviceaccount:masks:{account}"
    spec = {"user": user, "resourceAttributes": asked | {"name": name}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return cluster.ask("POST", path, {"spec": spec}).json()["status"]["allowed"]


def test_the_role_lets_the_leader_write_and_nothing_else(cluster: Cluster):
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/masks"
    cluster.make(f"{rbac}/roles", the("Role", rendered("gpu-keda")))
    cluster.make(f"{rbac}/rolebindings", the("RoleBinding", rendered("gpu-keda")))
    leases = "coordination.k8s.io"
    assert may(cluster, "list", "", "pods")
    assert may(cluster, "patch", "", "pods", "any")
    assert may(cluster, "create", leases, "leases")
    assert may(cluster, "update", leases, "leases", "demo-streamer")
    assert not may(cluster, "update", leases, "leases", "another")
    assert not may(cluster, "delete", "", "pods", "any")
    assert not may(cluster, "get", "", "secrets", "any")


class Full:
    async def loads_of(self, urls: list[str]) -> dict[str, Load]:
        return {url: Load(is_ready=True, share=1.0) for url in urls}


def running_pod(cluster: Cluster) -> str:
    """A pod that has an address as if a kubelet ran it; its path."""
    template: Object = the("Deployment", rendered("minimal-cpu"))["spec"]["template"]
    pod = template | {"metadata": template["metadata"] | {"name": "full"}}
    cluster.make("/api/v1/namespaces/masks/pods", pod)
    path = "/api/v1/namespaces/masks/pods/full"
    status = {"podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}]}
    assert cluster.ask("PATCH", f"{path}/status", {"status": status}).is_success
    return path


def test_the_leader_s_lease_and_cost_are_taken_by_a_real_server(cluster: Cluster):
    path = running_pod(cluster)

    async def lead() -> None:
        where = InCluster(cluster.url, cluster.folder)
        writer = CostWriter("app.kubernetes.io/name=streamer", 8080, Full())
        async with KubeApi(where) as api:
            first, second = (Lease(api, "streamer", who) for who in ("a", "b"))
            assert await first.look()
            assert not await second.look()
            assert await writer.write(api, first) == 1
            await first.release()
            assert await second.look()

    asyncio.run(lead())
    assert cluster.ask("GET", path).json()["metadata"]["annotations"][ANNOTATION] == "100"
