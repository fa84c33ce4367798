import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partialmethod
from pathlib import Path

import pytest
from fake_kube import PODS, FakeKube, serving_kube
from pods import free_ports, pod

from load.fleet import bucket
from streamer.config import Settings
from streamer.fleet import deletion_cost
from streamer.fleet.deletion_cost import MAX_WRITES, REST_S, CostWriter, Fleetmate, cost_of, due
from streamer.fleet.kube_api import InCluster, KubeApi
from streamer.fleet.lease import Lease, Terms
from streamer.fleet.placement import Load

QUICK = Terms(good_s=1, give_up_s=0.7, look_s=0.02)


class Shares:
    """What pods would say of themselves."""

    def __init__(self, **shares: float) -> None:
        self.loads = {url(name): load(share) for name, share in shares.items()}

    async def loads_of(self, urls: Sequence[str]) -> Mapping[str, Load]:
        assert len(urls) <= 32
        return {url: self.loads[url] for url in urls if url in self.loads}


def load(share: float) -> Load:
    return Load(is_ready=True, share=share)


def address(name: str) -> str:
    return f"10.0.0.{ord(name)}"


def url(name: str) -> str:
    return f"http://{address(name)}:8080"


def mate(name: str, cost: int = 0) -> Fleetmate:
    return Fleetmate(name, url(name), cost)


@pytest.fixture
async def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
async def where(kube: FakeKube, tmp_path: Path) -> AsyncIterator[InCluster]:
    async with serving_kube(kube, tmp_path) as found:
        yield found


def test_costs_are_quarters_of_a_pod():
    shares = [0, 0.01, 0.25, 0.26, 0.5, 0.75, 0.76, 1, 1.4]
    assert [cost_of(load(share)) for share in shares] == [0, 25, 25, 50, 50, 75, 100, 100, 100]


@pytest.mark.parametrize("places", [1, 4, 6, 8])
def test_they_are_what_the_capacity_plan_was_simulated_with(places: int):
    for sessions in range(places + 1):
        assert cost_of(load(sessions / places)) == 25 * bucket(sessions, places)


def test_only_what_changed_is_written_and_the_emptiest_first():
    shares = Shares(a=0.6, b=0.0, c=0.3, d=1.0).loads
    pods = [mate("a", 75), mate("b", 50), mate("c"), mate("d", 25), mate("e", 25)]
    assert due(pods, shares, {}, 0.0) == [("b", 0), ("c", 50), ("d", 100)]


def test_a_pod_rests_between_two_writes():
    pods, shares = [mate("a")], Shares(a=1.0).loads
    assert due(pods, shares, {"a": 100.0}, 100.0 + REST_S - 1) == []
    assert due(pods, shares, {"a": 100.0}, 100.0 + REST_S) == [("a", 100)]


def test_a_round_has_a_bound():
    pods = [Fleetmate(f"p{n:03}", f"http://10.0.1.{n}:1", 0) for n in range(50)]
    changes = due(pods, {pod.url: load(1.0) for pod in pods}, {}, 0.0)
    assert [name for name, _ in changes] == [f"p{n:03}" for n in range(MAX_WRITES)]


async def test_the_leader_writes_what_pods_say_and_leaves_others_alone(
    kube: FakeKube, where: InCluster
):
    kube.add_pod("a", address("a"), owner="me")
    kube.add_pod("b", address("b"), cost="100")
    kube.add_pod("leaving", "10.0.0.1", deletionTimestamp="2026-11-22T10:00:00Z")
    kube.add_pod("silent", "10.0.0.2", cost="50")
    kube.add_pod("new", "")
    kube.add_pod("odd", address("o"), cost="a lot")
    writer = CostWriter("app=streamer", 8080, Shares(a=0.5, b=0.0, o=0.1))
    async with KubeApi(where) as api:
        lease = Lease(api, "streamer", "me")
        await lease.look()
        assert await writer.write(api, lease) == 3
        assert kube.costs == {"a": "50", "b": "0", "silent": "50", "odd": "25"}
        assert kube.pods["a"]["metadata"]["owner"] == "me"
        assert await writer.write(api, lease) == 0
    assert {"labelSelector": "app=streamer", "resourceVersion": "0"} in kube.queries


async def test_who_does_not_lead_writes_nothing(kube: FakeKube, where: InCluster):
    kube.add_pod("a", address("a"))
    writer = CostWriter("app=streamer", 8080, Shares(a=1.0))
    async with KubeApi(where) as api:
        await writer.write(api, Lease(api, "streamer", "nobody"))
    assert kube.costs == {}


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 the server says nothing of itself
            await asyncio.sleep(0.01)


async def test_of_two_pods_one_writes_and_the_other_goes_on_when_it_is_gone(
    kube: FakeKube, where: InCluster
):
    kube.add_pod("a", address("a"))
    first, second = Shares(a=1.0), Shares(a=0.0)
    one = asyncio.create_task(CostWriter("x", 8080, first).run(where, "streamer", QUICK))
    await wait_for(lambda: kube.costs == {"a": "100"})
    other = asyncio.create_task(CostWriter("x", 8080, second).run(where, "streamer", QUICK))
    await wait_for(lambda: kube.asked.count(("GET", PODS)) > 3)
    assert kube.costs == {"a": "100"}
    one.cancel()
    await wait_for(lambda: kube.costs == {"a": "0"})
    other.cancel()
    await asyncio.wait([one, other])
    assert kube.leases["streamer"]["spec"]["holderIdentity"] == ""
    assert kube.leases["streamer"]["spec"]["leaseTransitions"] >= 2


@pytest.mark.parametrize("status", [403, 429])
async def test_a_refusal_is_not_answered_with_more_requests(
    kube: FakeKube, where: InCluster, status: int, caplog: pytest.LogCaptureFixture
):
    kube.add_pod("a", address("a"))
    kube.refusals["PATCH"] = (status, {"retry-after": "300"})
    writing = asyncio.create_task(
        CostWriter("x", 8080, Shares(a=1.0)).run(where, "streamer", QUICK)
    )
    await wait_for(lambda: kube.writes == 1)
    await asyncio.sleep(0.2)
    assert kube.writes == 1
    assert ("need the chart's Role" in caplog.text) is (status == 403)
    writing.cancel()
    await asyncio.wait([writing])


async def test_a_retry_after_is_kept_within_bounds(kube: FakeKube, where: InCluster):
    writer = CostWriter("x", 8080, Shares())
    for header, seconds in [("300", 300.0), ("1", 60.0), ("86400", 600.0)]:
        kube.refusals["GET"] = (429, {"retry-after": header})
        async with KubeApi(where) as api:
            assert await writer._turn(api, Lease(api, "streamer", "me")) == seconds


async def test_a_server_that_fails_is_asked_again(kube: FakeKube, where: InCluster):
    kube.add_pod("a", address("a"))
    kube.refusals["GET"] = (500, {})
    writing = asyncio.create_task(
        CostWriter("x", 8080, Shares(a=1.0)).run(where, "streamer", QUICK)
    )
    await wait_for(lambda: len(kube.asked) > 2)
    kube.refusals.clear()
    await wait_for(lambda: kube.costs == {"a": "100"})
    writing.cancel()
    await asyncio.wait([writing])


async def test_a_service_writes_how_full_its_pods_say_they_are(
    kube: FakeKube, where: InCluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(InCluster, "from_environment", lambda: where)
    monkeypatch.setattr(CostWriter, "run", partialmethod(CostWriter.run, terms=QUICK))
    monkeypatch.setattr(deletion_cost, "REST_S", 0.0)
    (port,) = free_ports(1)
    kube.add_pod("me", "127.0.0.1", cost="50")
    settings = {"peers": [f"http://127.0.0.1:{port}"], "max_sessions": 1}
    async with pod(port, deletion_cost_selector="app=x", **settings) as served:
        await wait_for(lambda: kube.costs == {"me": "0"})
        served.service._admission.enter(is_ready=True)
        await wait_for(lambda: kube.costs == {"me": "100"})
        served.service._admission.leave()
    assert kube.leases["streamer"]["spec"]["holderIdentity"] == ""


def test_it_is_off_unless_pods_are_named_and_needs_peers():
    assert deletion_cost.writing(Settings(), Shares()) == []
    with pytest.raises(ValueError, match="need peers"):
        Settings(deletion_cost_selector="app=x")
