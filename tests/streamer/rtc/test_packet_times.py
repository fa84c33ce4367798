from streamer.rtc.packet_times import Packets, PacketTimes


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def test_a_frame_is_found_by_its_pts_once():
    times = PacketTimes(Clock())
    times.come(90_000)
    times.come(90_000)
    times.come(93_000)
    times.complete(90_000, pts=0)
    assert times.take(0) == Packets(first_s=1.0, complete_s=3.0)
    assert times.take(0) is None


def test_packets_of_frames_that_are_never_taken_are_forgotten():
    times = PacketTimes(Clock())
    for pts in range(0, 1000, 2):
        times.come(pts)
        times.come(pts + 1)
        times.complete(pts, pts)
    assert times.take(0) is None
    assert len(times._first_s) <= len(times._complete) == 64
    assert times.take(998) is not None
