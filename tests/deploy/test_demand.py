"""What autoscalers read: KEDA its query, an HPA its metric through prometheus-adapter."""

import re
from pathlib import Path

import pytest
import yaml
from observed import run_promtool

from rendered import CHART, Object, rendered, the

KEDA_QUERY = the("ScaledObject", rendered("gpu-keda"))["spec"]["triggers"][0]["metadata"]["query"]


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
    check_demand(KEDA_QUERY, words, tmp_path)


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
