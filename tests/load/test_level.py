import math

import pytest
from served import serving

from fake_engine import FakeEngine
from load.level import measure, percentile
from load.scene import Pattern
from load.viewer import viewing


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 95, math.inf), ([1.0], 50, 1.0), ([1, 2, 3, 4], 50, 2), (list(range(100)), 95, 94)],
)
def test_percentiles_are_values_that_were_seen(values, percent, expected):
    assert percentile(values, percent) == expected


async def test_a_server_that_tells_no_cpu_time_is_measured_all_the_same():
    async with (
        serving(FakeEngine) as served,
        viewing(served.url, Pattern(96, 64, output="overlay"), 1) as viewer,
    ):
        level = await measure([viewer], 0.5, "http://127.0.0.1:9")
    assert math.isnan(level.cores)
    assert level.fps > 0
