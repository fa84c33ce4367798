from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fake_kube import FakeKube, serving_kube

from streamer.fleet.kube_api import ApiError, KubeApi
from streamer.fleet.lease import Lease, Terms

TERMS = Terms(good_s=60, give_up_s=45.0, look_s=15.0)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
async def api(kube: FakeKube, tmp_path: Path) -> AsyncIterator[KubeApi]:
    async with serving_kube(kube, tmp_path) as where, KubeApi(where) as opened:
        yield opened


def holder(kube: FakeKube) -> str:
    return kube.leases["streamer"]["spec"]["holderIdentity"]


def lease(api: KubeApi, who: str, clock: Clock) -> Lease:
    return Lease(api, "streamer", who, TERMS, clock)


async def test_the_first_makes_the_lease_and_leads(kube: FakeKube, api: KubeApi, clock: Clock):
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    assert await first.look()
    assert not await second.look()
    assert (first.is_held, second.is_held, holder(kube)) == (True, False, "a")
    spec = kube.leases["streamer"]["spec"]
    assert spec["leaseDurationSeconds"] == 60
    assert spec["renewTime"].endswith("Z")
    assert len(spec["renewTime"]) == len("2026-11-22T10:00:00.000000Z")


async def test_a_leader_that_renews_stays_one(kube: FakeKube, api: KubeApi, clock: Clock):
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    for _ in range(12):
        assert await first.look()
        assert not await second.look()
        clock.now_s += 15
    assert kube.leases["streamer"]["spec"]["leaseTransitions"] == 0


async def test_another_takes_it_once_it_was_not_renewed_for_as_long_as_it_is_good(
    kube: FakeKube, api: KubeApi, clock: Clock
):
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    await first.look()
    assert not await second.look()
    clock.now_s += 59
    assert not await second.look()
    assert not first.is_held  # it gave up before
    clock.now_s += 1
    assert await second.look()
    assert (holder(kube), kube.leases["streamer"]["spec"]["leaseTransitions"]) == ("b", 1)
    assert not await first.look()


async def test_who_comes_late_waits_by_its_own_clock_not_by_what_is_written(
    kube: FakeKube, api: KubeApi, clock: Clock
):
    await lease(api, "a", clock).look()
    kube.leases["streamer"]["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
    assert not await lease(api, "b", clock).look()


async def test_of_two_that_take_it_at_once_one_gets_it(
    kube: FakeKube, api: KubeApi, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    await lease(api, "gone", clock).look()
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    await first.look()
    await second.look()
    clock.now_s += 60
    plain = KubeApi.get

    async def get_then_lose(self: KubeApi, path: str, **query: str) -> object:
        monkeypatch.setattr(KubeApi, "get", plain)
        found = await self.get(path, **query)
        assert await first.look()  # between the second's reading and its writing
        return found

    monkeypatch.setattr(KubeApi, "get", get_then_lose)
    assert not await second.look()
    assert (first.is_held, second.is_held, holder(kube)) == (True, False, "a")


async def test_a_leader_that_cannot_ask_gives_up_before_another_may_lead(
    kube: FakeKube, api: KubeApi, clock: Clock
):
    leader = lease(api, "a", clock)
    await leader.look()
    kube.refusals["PUT"] = (503, {})
    clock.now_s += 44
    with pytest.raises(ApiError):
        await leader.look()
    assert leader.is_held
    clock.now_s += 1
    assert not leader.is_held


async def test_one_that_is_given_back_is_taken_at_once(kube: FakeKube, api: KubeApi, clock: Clock):
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    await first.look()
    await first.release()
    assert (first.is_held, holder(kube)) == (False, "")
    assert await second.look()
    await first.release()
    assert holder(kube) == "b"


async def test_it_is_given_back_without_an_error_where_nobody_answers(
    kube: FakeKube, api: KubeApi, clock: Clock
):
    leader = lease(api, "a", clock)
    await leader.look()
    kube.refusals["GET"] = (500, {})
    await leader.release()
    assert not leader.is_held


async def test_what_is_no_lease_is_an_error(kube: FakeKube, api: KubeApi, clock: Clock):
    kube.leases["streamer"] = {"metadata": {}}
    with pytest.raises(ApiError, match="not a Lease"):
        await lease(api, "a", clock).look()
