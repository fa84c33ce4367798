import pytest

from streamer.fleet.placement import MAX_TRIES, Load, order


def loads(**shares: float | None) -> dict[str, Load]:
    """A pod that is not ready has no share."""
    return {
        name: Load(is_ready=share is not None, share=share or 0.0) for name, share in shares.items()
    }


def test_pack_takes_the_fullest_with_room_and_spread_the_emptiest():
    fleet = loads(here=0.5, a=0.75, b=0.25, full=1.0, over=1.5, starting=None)
    assert order(fleet, "here", "pack") == ["a", "here", "b"]
    assert order(fleet, "here", "spread") == ["b", "here", "a"]


@pytest.mark.parametrize("placement", ["pack", "spread"])
def test_of_equals_the_pod_itself_comes_first_and_the_others_in_any_order(placement):
    fleet = loads(here=0.5, a=0.5, b=0.5)
    orders = {tuple(order(fleet, "here", placement)) for _ in range(64)}
    assert orders == {("here", "a", "b"), ("here", "b", "a")}


def test_few_are_tried_beside_the_pod_itself():
    fleet = loads(here=0.0, **{f"pod{number}": 0.5 for number in range(20)})
    assert len(order(fleet, "here", "pack")) == MAX_TRIES + 1
    assert order(fleet, "here", "pack")[-1] == "here"


def test_nobody_is_tried_where_nobody_has_room():
    assert order(loads(here=1.0, a=1.0, b=None), "here", "pack") == []
