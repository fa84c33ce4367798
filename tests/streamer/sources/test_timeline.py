import threading
import time

from streamer.sources.timeline import Pace, Timeline

S = 90_000


def test_a_file_s_frames_keep_their_places_in_it():
    line = Timeline()
    assert [line.place(seconds, 100 + seconds) for seconds in (0.0, 0.5, 1.0)] == [0, S // 2, S]


def test_a_second_pass_goes_on_after_the_first():
    line = Timeline()
    line.place(0.0, 100.0)
    line.place(1.0, 101.0)
    line.begin_anew()
    assert line.place(0.0, 101.04) == S + round(0.04 * S)
    assert line.place(0.5, 101.54) == S + round(0.54 * S)


def test_a_camera_whose_clock_jumps_does_not_stop_time():
    line = Timeline()
    line.place(50.0, 0.0)
    for jump in (3650.0, 2.0, -7.0):
        before = line.place(jump, 1.0)
        assert 0 < line.place(jump + 0.1, 1.1) - before <= S


def test_a_frame_out_of_order_keeps_its_time_and_the_session_drops_it_as_stale():
    line = Timeline()
    times = [line.place(s, s) for s in (1.0, 1.2, 1.1, 1.3)]
    assert times == [S, round(1.2 * S), round(1.1 * S), round(1.3 * S)]


def test_frames_without_times_are_placed_by_the_clock():
    line = Timeline()
    assert [line.place(None, now) for now in (7.0, 7.5, 8.0)] == [0, S // 2, S]


def test_a_pace_waits_until_a_frame_is_due():
    pace = Pace(threading.Event())
    begun = time.monotonic()
    for ticks in (5 * S, 5 * S + S // 20):
        pace.wait(ticks)
    assert time.monotonic() - begun >= 0.05


def test_a_pace_does_not_wait_once_it_is_stopped():
    stop = threading.Event()
    pace = Pace(stop)
    pace.wait(0)
    stop.set()
    pace.wait(10**9 * S)  # would outlast the test
