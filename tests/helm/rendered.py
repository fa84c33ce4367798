"""The chart through Helm's own engine, and what tests look for in its objects."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

helm_python = pytest.importorskip("helm_python", reason="helm-python-sdk is not installed")

CHART = Path(__file__).parents[2] / "helm/streamer"
SHAPES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*.yaml"))
Object = dict[str, Any]
LEAST: Object = {"image": {"repository": "example.org/s"}, "auth": {"mode": "anonymous"}}
"""Values that the chart cannot do without."""


def shape(name: str) -> Object:
    return yaml.safe_load((CHART / f"ci/{name}-values.yaml").read_text())


def render(values: Object) -> list[Object]:
    """All objects, in the namespace "masks" as the release "demo"."""
    with helm_python.Chart.load(CHART) as chart:
        texts = chart.render(values, name="demo", namespace="masks")
    found = (yaml.safe_load_all(text) for path, text in texts.items() if path.endswith(".yaml"))
    return [one for objects in found for one in objects if one]


def notes(values: Object) -> str:
    with helm_python.Chart.load(CHART) as chart:
        return chart.render(values, name="demo", namespace="masks")["streamer/templates/NOTES.txt"]


@cache
def rendered(name: str) -> list[Object]:
    """Objects of a shape of ci/."""
    return render(shape(name))


def the(kind: str, objects: list[Object]) -> Object:
    (found,) = [one for one in objects if one["kind"] == kind]
    return found


def hook_of(objects: list[Object]) -> Object:
    """What `helm test` starts."""
    return the("Pod", objects)["spec"]


def pod_of(objects: list[Object]) -> Object:
    return the("Deployment", objects)["spec"]["template"]["spec"]


def container_of(objects: list[Object]) -> Object:
    (found,) = pod_of(objects)["containers"]
    return found


def merged(values: Object, change: Object) -> Object:
    both = dict(values)
    for key, value in change.items():
        old = both.get(key)
        is_map = isinstance(old, dict) and isinstance(value, dict)
        both[key] = merged(old, value) if is_map else value
    return both
