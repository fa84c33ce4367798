import pytest

from streamer.session.admission import Admission, Full


def test_a_place_is_free_again_when_its_viewer_leaves():
    admission = Admission(max_sessions=1, retry_after_s=9)
    admission.enter(is_ready=True)
    with pytest.raises(Full, match="all 1 places") as caught:
        admission.enter(is_ready=True)
    assert caught.value.retry_after_s == 9
    admission.leave()
    admission.enter(is_ready=True)
    assert admission.taken == 1


def test_nobody_comes_in_before_the_service_is_ready():
    admission = Admission(max_sessions=1, retry_after_s=9)
    with pytest.raises(Full, match="starting or stopping"):
        admission.enter(is_ready=False)
    assert admission.taken == 0


def test_a_subject_has_its_own_places_and_others_come_in():
    admission = Admission(max_sessions=4, retry_after_s=9)
    admission.enter(is_ready=True, subject="a", max_of_subject=1)
    with pytest.raises(Full, match="all of its 1") as caught:
        admission.enter(is_ready=True, subject="a", max_of_subject=1)
    assert (caught.value.kind, admission.taken) == ("subject_full", 1)
    admission.enter(is_ready=True, subject="b", max_of_subject=1)
    admission.leave("a")
    admission.enter(is_ready=True, subject="a", max_of_subject=1)


def test_subjects_that_have_left_are_forgotten():
    admission = Admission(max_sessions=2, retry_after_s=9)
    for index in range(1000):
        admission.enter(is_ready=True, subject=str(index), max_of_subject=1)
        admission.leave(str(index))
    assert not admission._by_subject
