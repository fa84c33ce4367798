"""What happens before SIGTERM: the chart's preStop."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from rendered import LEAST, SHAPES, Object, container_of, merged, render, rendered


def pre_stop(objects: list[Object]) -> list[str]:
    return container_of(objects)["lifecycle"]["preStop"]["exec"]["command"]


@pytest.mark.parametrize("name", SHAPES)
def test_pre_stop_needs_no_shell(name: str):
    """But Python, by which the image's own health check is run."""
    assert pre_stop(rendered(name))[0] == "python3"


def test_without_a_time_to_wait_there_is_no_pre_stop():
    objects = render(merged(LEAST, {"drain": {"propagationSeconds": 0}}))
    assert "lifecycle" not in container_of(objects)


PROCESS_1 = """
import json, os, signal, subprocess, sys
assert os.getpid() == 1
got = []
signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
code = subprocess.run(json.loads(sys.argv[1])).returncode
print(code, [signal.Signals(number).name for number in got])
"""


def test_pre_stop_sends_sigusr1_to_process_1_and_ends_well():
    command = pre_stop(render(merged(LEAST, {"drain": {"propagationSeconds": 1}})))
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a process namespace asks for root")
    here = [sys.executable, *command[1:]]
    done = subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", PROCESS_1, json.dumps(here)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("no process namespace here")
    assert done.stdout.strip() == "0 ['SIGUSR1']", done.stderr
