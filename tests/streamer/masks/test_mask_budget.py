import pytest

from streamer.masks.mask_budget import MESSAGE_BYTES, RATE_BYTES_PER_S, MaskBudget


def sent(fps: float, wanted: int, seconds: float = 10.0) -> tuple[int, int]:
    """Bytes and messages in that time, when each frame's masks would take `wanted` bytes."""
    budget, num_bytes, num_messages = MaskBudget(), 0, 0
    for frame in range(round(seconds * fps)):
        room = budget.room(frame / fps)
        assert room == 0 or 600 <= room <= MESSAGE_BYTES
        if room:
            budget.spend(min(room, wanted))
            num_bytes += min(room, wanted)
            num_messages += 1
    return num_bytes, num_messages


@pytest.mark.parametrize("fps", [15, 30, 60, 120, 240])
@pytest.mark.parametrize("wanted", [300, 1000, 2500, 9000])
def test_ten_seconds_cost_no_more_than_the_rate(fps: float, wanted: int):
    num_bytes, num_messages = sent(fps, wanted)
    on_the_wire = num_bytes + 93 * num_messages  # one packet each, at least
    assert on_the_wire <= 10 * RATE_BYTES_PER_S + 2 * MESSAGE_BYTES


def test_what_is_small_goes_with_every_frame():
    assert sent(30, 1000) == (300_000, 300)
    assert sent(60, 1000)[1] == 600


def test_at_high_rates_messages_shrink_first_and_then_frames_are_left_out():
    assert sent(60, 2500)[1] == 600
    assert 700 < sent(240, 2500)[1] < 1300


def test_after_a_full_channel_a_moment_passes():
    budget = MaskBudget()
    assert budget.room(0.0) == MESSAGE_BYTES
    budget.back_off()
    assert budget.room(0.005) == 0
    assert budget.room(0.02) >= 600
