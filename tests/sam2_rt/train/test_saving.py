from sam2_rt.train.saving import LONG_STEP_S, SAVE_EVERY_S, SavePace


class Clock:
    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        return self.time_s


def saved_at(step_s: float, num_steps: int, writing_s: float = 0.0) -> list[float]:
    """When a run with steps of one length is saved."""
    clock = Clock()
    pace, times = SavePace(SAVE_EVERY_S, clock), []
    for _ in range(num_steps):
        clock.time_s += step_s
        if pace.is_due():
            times.append(clock.time_s)
            with pace.saving():
                clock.time_s += writing_s
    return times


def test_short_steps_are_saved_every_45_seconds_and_what_they_need_to_end():
    assert saved_at(0.5, 300) == [45.5, 91.0, 136.5]


def test_a_long_step_is_saved_at_once():
    assert saved_at(20, 3) == [20, 40, 60]


def test_whatever_steps_take_at_most_a_minute_lies_between_saved_states():
    for step_s in (0.1, 1, 7, 9.9, LONG_STEP_S):
        times = saved_at(step_s, 1000, writing_s=4)
        gaps = [after - before for before, after in zip([0, *times], times, strict=False)]
        assert max(gaps) + 4 <= 60, step_s  # the last is lost until it is written


def test_writing_is_no_part_of_a_step():
    assert saved_at(20, 3, writing_s=30) == [20, 70, 120]
    assert saved_at(1, 70, writing_s=30) == [46, 92]
