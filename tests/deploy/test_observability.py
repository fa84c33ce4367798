import json
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import yaml
from observed import DEPLOY, Scraped, tool, value

from rendered import CHART, Object, rendered, the
from streamer.session.admission import FullKind
from streamer.session.viewer import Outcome

HERE = Path(__file__).parent
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


def run_promtool(*arguments: str) -> None:
    command = [tool("promtool", "prometheus"), *arguments]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid():
    run_promtool("check", "config", str(DEPLOY / "prometheus.yml"))


def test_alerts_fire_and_stay_silent_as_their_cases_say():
    run_promtool("test", "rules", "alerts_test.yml")


def test_every_alert_has_a_case_that_fires_and_one_that_stays_silent():
    cases = yaml.safe_load((HERE / "alerts_test.yml").read_text())["tests"]
    tested = [check for case in cases for check in case["alert_rule_test"]]
    alerts = {rule["alert"] for rule in RULES if "alert" in rule}
    assert {check["alertname"] for check in tested if check.get("exp_alerts")} == alerts
    assert {check["alertname"] for check in tested if not check.get("exp_alerts")} == alerts


def series(name: str, pod: str, numbers: str, labels: str = "") -> dict[str, str]:
    pod = f"demo-streamer-6d4cf56db6-{pod}" if pod.isalnum() else pod
    return {"series": f'{name}{{namespace="masks",pod="{pod}"{labels}}}', "values": numbers}


ACTIVE, DRAINING, WAITING = (f',state="{state}"' for state in ("active", "draining", "waiting"))
CANARY = "demo-streamer-canary-6d4cf56db6-ccccc"
DEMANDS = {
    "viewers of all pods are added": (
        [
            series("streamer_viewers", "aaaaa", "5x40", ACTIVE),
            series("streamer_viewers", "bbbbb", "3x40", ACTIVE),
        ],
        8,
    ),
    "a draining pod and another release's are left out": (
        [
            series("streamer_viewers", "aaaaa", "5x40", ACTIVE),
            series("streamer_viewers", "bbbbb", "0x40", ACTIVE),
            series("streamer_viewers", "bbbbb", "3x40", DRAINING),
            series("streamer_viewers", CANARY, "7x40", ACTIVE),
        ],
        5,
    ),
    "who was refused and waits is counted": (
        [
            series("streamer_viewers", "aaaaa", "8x40", ACTIVE),
            series("streamer_viewers", "aaaaa", "2x40", WAITING),
        ],
        10,
    ),
    "nothing is scraped, so nothing is said": ([], None),
}


def check_demand(query: str, words: str, folder: Path) -> None:
    given, expected = DEMANDS[words]
    samples = [] if expected is None else [{"labels": "{}", "value": expected}]
    check = {"expr": query, "eval_time": "5m", "exp_samples": samples}
    case = {"interval": "15s", "input_series": given, "promql_expr_test": [check]}
    (folder / "demand.yml").write_text(yaml.safe_dump({"tests": [case]}))
    run_promtool("test", "rules", str(folder / "demand.yml"))


@pytest.mark.parametrize("words", DEMANDS)
def test_the_demand_that_keda_reads(words: str, tmp_path: Path):
    check_demand(DEMAND, words, tmp_path)


PODS_METRIC = the("HorizontalPodAutoscaler", rendered("hpa"))["spec"]["metrics"][0]["pods"]


def adapter_rule() -> Object:
    """The one of the chart's README."""
    text = (CHART / "README.md").read_text()
    (rule,) = next(
        found["rules"]["custom"]
        for found in map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
        if "rules" in found
    )
    return rule


def asked_by_the_adapter(words: str) -> str:
    """The rule's query, filled in for the HPA's metric and the pods that its target selects."""
    pods = {re.search('pod="([^"]+)"', one["series"])[1] for one in DEMANDS[words][0]} - {CANARY}
    selector = PODS_METRIC["metric"]["selector"]["matchExpressions"]
    matchers = [f'{one["key"]}=~"{"|".join(one["values"])}"' for one in selector]
    matchers += ['namespace="masks"', f'pod=~"{"|".join(sorted(pods))}"']
    filled = {
        "<<.Series>>": PODS_METRIC["metric"]["name"],
        "<<.LabelMatchers>>": ",".join(matchers),
        "<<.GroupBy>>": "pod",
    }
    query = adapter_rule()["metricsQuery"]
    for field, value_ in filled.items():
        assert field in query
        query = query.replace(field, value_)
    assert "<<" not in query
    return query


@pytest.mark.parametrize("words", DEMANDS)
def test_the_demand_that_an_hpa_reads_through_the_adapter_s_rule(words: str, tmp_path: Path):
    """Its answers for the pods are added up, and divided by their number."""
    check_demand(f"sum({asked_by_the_adapter(words)})", words, tmp_path)


def test_the_adapter_offers_the_hpa_s_metric_for_each_pod():
    rule = adapter_rule()
    assert re.match(r"\w+", rule["seriesQuery"])[0] == PODS_METRIC["metric"]["name"]
    assert rule["resources"]["overrides"]["pod"] == {"resource": "pod"}
    assert rule["resources"]["overrides"]["namespace"] == {"resource": "namespace"}
    assert "name" not in rule  # the series' own
    operators = {one["operator"] for one in PODS_METRIC["metric"]["selector"]["matchExpressions"]}
    assert operators == {"In"}
