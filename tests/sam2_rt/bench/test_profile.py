import pytest

from sam2_rt.bench.profile import profile_steps, show_profile
from sam2_rt.model import zoo
from sam2_rt.tracking.calls import Calls


def test_a_profile_names_the_operations_that_a_step_s_time_goes_to(
    capsys: pytest.CaptureFixture[str],
):
    calls = Calls(zoo.fold(zoo.build("nano", 64).eval()))
    operations = profile_steps(calls, [(0.5, 0.5)])
    assert sum(one.share for one in operations) == pytest.approx(1)
    assert operations == sorted(operations, key=lambda one: -one.ms)
    assert all(one.calls >= 0 for one in operations)
    show_profile(operations)
    assert capsys.readouterr().out.count("aten::") >= 5
