from sam2_rt.bench.wanted import FULL_BANK, Wanted


def test_what_is_compiled_is_timed_when_pointers_are_all_there_too():
    assert Wanted("nano").frames_before == FULL_BANK == 7
    assert Wanted("nano", compiled_rows=1).frames_before == 17
    assert Wanted("nano", device="cuda").frames_before == 17
