from sam2_rt.tracking.memory_policy import choose, nearest, surplus


def frames_and_ages(index: int, conditioning=(0,), recent=(), pointers=(), limit=None):
    memories, trail = choose(index, conditioning, recent, pointers, limit)
    return [tuple(a) for a in memories], [tuple(a) for a in trail]


def test_the_second_frame_reads_the_prompted_one():
    assert frames_and_ages(1) == ([(0, 0)], [(0, 1)])


def test_six_recent_memories_follow_oldest_first_and_pointers_newest_first():
    recent = range(1, 10)
    memories, pointers = frames_and_ages(10, recent=recent, pointers=recent)
    assert memories == [(0, 0), (4, 6), (5, 5), (6, 4), (7, 3), (8, 2), (9, 1)]
    assert pointers == [(0, 10), *((10 - age, age) for age in range(1, 10))]


def test_pointers_reach_back_fifteen_frames_whatever_the_length_of_the_stream():
    recent = range(1, 1000)
    _, pointers = frames_and_ages(1000, recent=recent, pointers=recent)
    assert pointers[0] == (0, 1000)
    assert [age for _, age in pointers[1:]] == list(range(1, 16))


def test_missing_frames_leave_holes_rather_than_older_frames():
    memories, pointers = frames_and_ages(10, recent=(3, 4, 9), pointers=(3, 4, 9))
    assert memories == [(0, 0), (4, 6), (9, 1)]
    assert pointers == [(0, 10), (9, 1), (4, 6), (3, 7)]


def test_a_frame_does_not_read_its_own_memory():
    assert frames_and_ages(5, conditioning=(5,)) == ([], [])
    assert frames_and_ages(5, conditioning=(0, 5))[0] == [(0, 0)]


def test_a_conditioning_frame_of_the_future_gives_its_memory_but_no_pointer():
    assert frames_and_ages(8, conditioning=(10,)) == ([(10, 0)], [])


def test_a_conditioning_frame_beyond_the_limit_stands_in_as_a_recent_one():
    memories, pointers = frames_and_ages(3, (0, 2, 4, 6), recent=(1,), pointers=(1,), limit=2)
    assert memories == [(2, 0), (4, 0), (0, 3), (1, 2)]
    assert pointers == [(2, 1), (1, 2), (0, 3)]


def test_the_nearest_are_the_last_before_the_first_after_and_then_the_closest():
    assert nearest(5, [0, 2, 4, 6, 9], 2) == [4, 6]
    assert nearest(5, [0, 2, 4, 6, 9], 3) == [4, 6, 2]
    assert nearest(5, [0, 2, 4], 1) == [4]
    assert nearest(5, [0, 9], None) == [0, 9]


def test_the_oldest_but_the_first_makes_room():
    assert surplus([0, 7, 3], 4) is None
    assert surplus([0, 7, 3, 9], 4) == 3
    assert surplus([5], 1) == 5
