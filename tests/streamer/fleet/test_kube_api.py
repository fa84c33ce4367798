from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fake_kube import LEASES, PODS, FakeKube, serving_kube

from streamer.fleet import kube_api
from streamer.fleet.kube_api import (
    ApiError,
    Conflict,
    Forbidden,
    InCluster,
    KubeApi,
    NotFound,
    Throttled,
)


@pytest.fixture
async def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
async def where(kube: FakeKube, tmp_path: Path) -> AsyncIterator[InCluster]:
    async with serving_kube(kube, tmp_path) as found:
        yield found


async def test_it_says_who_it_is_and_where_it_lives(kube: FakeKube, where: InCluster):
    async with KubeApi(where) as api:
        assert api.namespace == "masks"
        assert (await api.get(PODS, labelSelector="app=x"))["items"] == []
    assert kube.queries == [{"labelSelector": "app=x"}]


async def test_a_token_that_the_kubelet_renewed_is_used_at_once(kube: FakeKube, where: InCluster):
    async with KubeApi(where) as api:
        await api.get(PODS)
        kube.token = "token-2"
        with pytest.raises(Forbidden, match="401"):
            await api.get(PODS)
        (where.folder / "token").write_text("token-2\n")
        await api.get(PODS)


async def test_what_there_is_not_and_what_there_is_already_are_told_apart(where: InCluster):
    lease = {"metadata": {"name": "streamer"}, "spec": {}}
    async with KubeApi(where) as api:
        with pytest.raises(NotFound):
            await api.get(f"{LEASES}/streamer")
        made = await api.create(LEASES, lease)
        with pytest.raises(Conflict):
            await api.create(LEASES, lease)
        await api.replace(f"{LEASES}/streamer", made)
        with pytest.raises(Conflict):
            await api.replace(f"{LEASES}/streamer", made)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None), ("soon", None)])
async def test_throttling_says_for_how_long(
    kube: FakeKube, where: InCluster, header: str | None, seconds: float | None
):
    kube.refusals["GET"] = (429, {} if header is None else {"retry-after": header})
    async with KubeApi(where) as api:
        with pytest.raises(Throttled) as caught:
            await api.get(PODS)
    assert caught.value.retry_after_s == seconds


async def test_a_server_of_another_authority_is_not_told_the_token(
    kube: FakeKube, where: InCluster, tmp_path: Path
):
    other = tmp_path / "other"
    other.mkdir()
    async with (
        serving_kube(FakeKube(), other) as stranger,
        KubeApi(InCluster(stranger.url, where.folder)) as api,
    ):
        with pytest.raises(ApiError, match="CERTIFICATE_VERIFY_FAILED"):
            await api.get(PODS)
    assert kube.asked == []


async def test_who_does_not_answer_and_who_speaks_no_json_are_errors(
    kube: FakeKube, where: InCluster
):
    async with KubeApi(InCluster("https://127.0.0.1:1", where.folder)) as api:
        with pytest.raises(ApiError, match="GET /x"):
            await api.get("/x")
    kube.refusals["GET"] = (500, {})
    async with KubeApi(where) as api:
        with pytest.raises(ApiError, match="500"):
            await api.get(PODS)


async def test_a_folder_without_an_account_is_told(tmp_path: Path):
    with pytest.raises(ApiError, match="namespace"):
        async with KubeApi(InCluster("https://127.0.0.1:1", tmp_path)):
            pass


@pytest.mark.parametrize(("host", "named"), [("10.96.0.1", "10.96.0.1"), ("fd00::1", "[fd00::1]")])
def test_in_a_cluster_it_knows_where_to_ask(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, named: str
):
    monkeypatch.setattr(kube_api, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    (tmp_path / "token").write_text("t")
    assert InCluster.from_environment() == InCluster(f"https://{named}:6443", tmp_path)


def test_outside_a_cluster_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ApiError, match="token mounted"):
        InCluster.from_environment()
