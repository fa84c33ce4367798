import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from load.autoscale import Scenario, cases, row, simulate
from load.capacity import VIEWERS, Inputs, plans, read, table

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "deploy/capacity.md").read_text()
VALUES = yaml.safe_load((ROOT / "helm/streamer/values.yaml").read_text())
INPUTS = Inputs(sessions_per_pod=(4.0,), pod_hour=2.0, used=0.5, stay_min=6.0)


def part(name: str) -> str:
    return re.search(f"<!-- {name} -->\n(.*)<!-- end of {name} -->", PAGE, re.DOTALL)[1]


def test_pods_at_the_peak_are_rounded_up():
    assert [plan.pods for plan in plans(INPUTS)] == [358, 3572, 35715]
    assert tuple(plan.viewers for plan in plans(INPUTS)) == VIEWERS


def test_costs_are_the_price_by_the_sessions_that_share_it():
    plan = next(plans(INPUTS))
    assert plan.peak_hour == pytest.approx(2 * 358 / 1000)
    assert plan.day_hour == pytest.approx(2 / (4 * 0.5))
    assert plan.session == pytest.approx(0.1)


def test_traffic_is_what_viewers_send_and_get_and_relays_carry_it_twice():
    plan = list(plans(INPUTS))[-1]
    assert plan.up_gbps == pytest.approx(250)
    assert plan.down_gbps == pytest.approx(60)
    assert plan.relay_gbps == pytest.approx(62)


@pytest.mark.parametrize("wrong", [{"sessions_per_pod": (0.0,)}, {"target": 1.2}, {"used": 0.0}])
def test_inputs_of_nothing_are_refused(wrong: dict[str, object]):
    with pytest.raises(ValueError, match="above 0"):
        list(plans(replace(INPUTS, **wrong)))


def test_the_page_has_the_table_that_its_command_makes():
    command = re.search(r"^python -m load\.capacity (.+)$", PAGE, re.MULTILINE)[1]
    assert part("costs") == table(read(shlex.split(command)))


def test_the_page_has_a_row_for_each_case_and_the_first_is_what_it_is_now():
    rows = part("cases").splitlines()[2:]
    usual = Scenario()
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows] == [
        w for w, _ in cases(usual)
    ]
    assert rows[0] == row("as it is", simulate(usual, range(3)), usual.places)


def test_the_share_that_is_used_is_the_simulation_s():
    as_it_is = part("cases").splitlines()[2]
    assert float(as_it_is.rstrip("| ").rpartition("| ")[2]) == Inputs(()).used


def test_the_usual_scenario_has_the_chart_s_values():
    usual, scaling = Scenario(), VALUES["autoscaling"]
    assert usual.target == scaling["target"] == Inputs(()).target
    assert usual.down_after_s == scaling["scaleDownStabilizationSeconds"]
    assert usual.least == scaling["minReplicas"]
    assert usual.retry_s == VALUES["sessions"]["retryAfterSeconds"]
