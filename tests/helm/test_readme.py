"""The chart's README: what it shows can be used."""

import re

import pytest
import yaml

from rendered import CHART, LEAST, Object, container_of, merged, pod_of, render, the

TEXT = (CHART / "README.md").read_text()
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
OF_OTHERS = [{"rules"}, {"version", "sharing"}]
"""Of prometheus-adapter (tests/deploy/test_demand.py) and of NVIDIA's device plugin."""
EXAMPLES = [block for block in BLOCKS if set(block) not in OF_OTHERS]


@pytest.mark.parametrize("block", EXAMPLES, ids=str)
def test_an_example_of_values_renders_and_changes_something(block: Object):
    assert set(block) <= set(VALUES)
    assert render(merged(LEAST, block)) != render(LEAST)


def test_there_are_examples_of_mig_and_time_slicing():
    resources = {block["gpu"]["resource"] for block in EXAMPLES if "gpu" in block}
    assert resources == {"nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared"}
    for block in EXAMPLES:
        if "gpu" in block:
            objects = render(merged(LEAST, block))
            limits = container_of(objects)["resources"]["limits"]
            assert limits[block["gpu"]["resource"]] == 1
            assert "nvidia.com/gpu" not in limits
            assert pod_of(objects)["tolerations"]
            assert the("Deployment", objects)["spec"]["replicas"] == block["replicaCount"]


def test_the_device_plugin_s_name_of_a_share_is_what_pods_ask_for():
    (plugin,) = [block for block in BLOCKS if "sharing" in block]
    slicing = plugin["sharing"]["timeSlicing"]
    (shared,) = slicing["resources"]
    assert slicing["renameByDefault"] is True
    (asking,) = [b for b in EXAMPLES if b.get("gpu", {}).get("resource", "").endswith(".shared")]
    assert asking["gpu"]["resource"] == f"{shared['name']}.shared"
    assert asking["replicaCount"] <= shared["replicas"]
