from streamer.patience import Patience


def test_so_many_failures_in_so_many_seconds_are_borne():
    now_s = 0.0
    patience = Patience(2, 10.0, clock=lambda: now_s)
    assert [patience.is_over_with() for _ in range(3)] == [False, False, True]
    now_s = 10.0  # the first two are forgotten, one after the other
    assert [patience.is_over_with() for _ in range(3)] == [False, False, True]
