import pytest

from streamer.admission import Admission, Full


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
