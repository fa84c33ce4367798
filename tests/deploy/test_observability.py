import json
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml
from observed import DEPLOY, Scraped, run_promtool, tool, value

from rendered import Object, rendered, the
from streamer.session.admission import FullKind
from streamer.session.viewer import Outcome

HERE = Path(__file__).parent
CASES = ["alerts_test.yml", "objectives_test.yml"]
DASHBOARD = json.loads((DEPLOY / "dashboard.json").read_text())
TARGETS = [(p["title"], t["expr"]) for p in DASHBOARD["panels"] for t in p.get("targets", [])]
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DEMAND = the("ScaledObject", rendered("gpu-keda"))["spec"]["triggers"][0]["metadata"]["query"]
EXPRESSIONS = [expr for _, expr in TARGETS] + [rule["expr"] for rule in RULES] + [DEMAND]


def series_in(expression: str) -> set[str]:
    return set(re.findall(r"(?<![\w:])(?:streamer|process|python)_\w+", expression))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_uses_series_that_the_service_has(scraped: Scraped, expression: str):
    used = series_in(expression)
    assert used <= scraped.series.keys()
    assert used or re.findall(r"streamer:\w+", expression)


def test_a_series_that_is_not_there_would_be_seen(scraped: Scraped):
    assert not series_in("rate(streamer_no_such_total[5m])") <= scraped.series.keys()
    assert unknown(scraped, 'rate(streamer_frames_dropped_total{reason="no such"}[5m])')


def unknown(scraped: Scraped, expression: str) -> set[tuple[str, str, str]]:
    """(series, label, value) that an expression asks for and the service does not have."""
    asked = {
        (name, label, value)
        for name, matchers in re.findall(r"\b(streamer_\w+)\{([^}]*)\}", expression)
        for label, values in re.findall(r'(\w+)!?=~?"([^"]+)"', matchers)
        for value in values.split("|")
        if label not in {"namespace", "pod", "instance"} and value
    }
    return {(n, label, v) for n, label, v in asked if v not in scraped.series[n].get(label, ())}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_labels_that_the_service_has_from_its_start(
    scraped: Scraped, expression: str
):
    assert not unknown(scraped, expression)


def in_grafana_s_place(expression: str) -> str:
    return expression.replace("$__rate_interval", "1m").replace("$namespace", ".*")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_prometheus_reads_an_expression(scraped: Scraped, expression: str):
    value(scraped.prometheus, in_grafana_s_place(expression))


@pytest.mark.parametrize(
    "title",
    [
        "Sessions and places",
        "Pods",
        "Viewers",
        "Admissions",
        "Sessions ended",
        "Sessions a pod",
        "Frames dropped",
        "Prompts by kind",
        "Bitrate",
        "Codecs",
        "Who watches",
        "Event loop lag",
        "Engine heartbeat",
        "Warm-up",
        "Memory",
        "CPU",
    ],
)
def test_a_panel_shows_something_while_nobody_is_there(scraped: Scraped, title: str):
    for panel, expression in TARGETS:
        if panel == title:
            assert value(scraped.prometheus, in_grafana_s_place(expression)), expression


def test_no_alert_is_awake_in_a_service_that_works(scraped: Scraped):
    """One may be pending on a machine that is busy otherwise."""
    assert not value(scraped.prometheus, 'ALERTS{alertname=~"Streamer.*",alertstate="firing"}')


def test_panels_do_not_overlap_and_have_a_meaning():
    seen = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & seen, panel["title"]
        assert max(x for x, _ in cells) < 24
        assert panel["type"] == "row" or panel["description"]
        seen |= cells


def test_alerts_name_reasons_and_outcomes_that_there_are():
    text = " ".join(EXPRESSIONS)
    reasons = {r for m in re.findall(r'reason=~?"([^"]+)"', text) for r in m.split("|") if r}
    outcomes = set(re.findall(r'outcome="(\w+)"', text))
    assert reasons <= set(get_args(FullKind))
    assert outcomes <= {outcome.value for outcome in Outcome}
    assert reasons
    assert outcomes


def test_every_alert_says_what_it_means():
    for rule in RULES:
        if "alert" in rule:
            assert {"summary", "description"} <= set(rule["annotations"])
            assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_configuration_is_valid():
    run_promtool("check", "config", str(DEPLOY / "prometheus.yml"))


def test_alerts_fire_and_stay_silent_as_their_cases_say():
    run_promtool("test", "rules", *CASES)


def checks() -> list[Object]:
    files = [yaml.safe_load((HERE / name).read_text()) for name in CASES]
    return [check for file in files for case in file["tests"] for check in case["alert_rule_test"]]


def firing(check: Object) -> set[tuple[str, str]]:
    """Name and severity: two alerts of an objective share a name."""
    name = check["alertname"]
    return {(name, one["exp_labels"]["severity"]) for one in check.get("exp_alerts", [])}


ALERTS = {(rule["alert"], rule["labels"]["severity"]) for rule in RULES if "alert" in rule}


def test_every_alert_has_a_case_that_fires_and_one_that_stays_silent():
    fires, stays_silent = set(), set()
    for check in checks():
        fires |= firing(check)
        stays_silent |= {one for one in ALERTS if one[0] == check["alertname"]} - firing(check)
    assert fires == ALERTS
    assert stays_silent == ALERTS


def test_the_page_and_the_ticket_of_an_objective_fire_once_each_without_the_other():
    alone = {one for check in checks() if len(firing(check)) == 1 for one in firing(check)}
    assert {alert for alert in ALERTS if alert[0] in OBJECTIVES} <= alone


OBJECTIVES = ("StreamerTurnsViewersAway", "StreamerMasksLate")
ARMS = sorted(
    {
        (rule["labels"]["severity"], arm)
        for rule in RULES
        if rule.get("alert") in OBJECTIVES
        for arm in re.findall(r"streamer:\w+:ratio_\w+ > [\d.]+ \* [\d.]+", rule["expr"])
    }
)


@pytest.mark.parametrize(("severity", "arm"), ARMS)
def test_a_window_of_an_objective_that_is_left_out_is_seen(severity: str, arm: str, tmp_path: Path):
    slo = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][:1]
    for rule in slo[0]["rules"]:
        if rule.get("labels", {}).get("severity") == severity:
            rule["expr"] = rule["expr"].replace(arm, re.sub("> .*", ">= 0", arm))
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump({"groups": slo}))
    cases = yaml.safe_load((HERE / "objectives_test.yml").read_text())
    cases["rule_files"] = [str(tmp_path / "alerts.yml")]
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    command = [tool("promtool", "prometheus"), "test", "rules", str(tmp_path / "cases.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "FAILED" in done.stdout + done.stderr) == (1, True)
