import os
import subprocess
import sys

import pytest

CODE = "import warnings; warnings.simplefilter('ignore'); from sam2_rt.data.bodies import BodyMaker"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    keep = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    return subprocess.run(
        [sys.executable, "-c", f"{CODE}; {code}"],
        env=keep | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("backend", ["off", "nonsense", "glfw"])
def test_without_a_way_to_draw_it_says_what_to_install(backend: str):
    done = run("BodyMaker()", MUJOCO_GL=backend, DISPLAY="")
    assert done.returncode == 1
    for word in ("NoRenderer", f"MUJOCO_GL={backend}", "pip install sam2-rt[train]", "libosmesa6"):
        assert word in done.stderr


def test_importing_it_does_not_import_mujoco():
    assert run("import sys; sys.exit('mujoco' in sys.modules)").returncode == 0


@pytest.mark.usefixtures("mujoco")
def test_it_finds_a_way_to_draw_by_itself_and_leaves_without_a_word():
    done = run("BodyMaker(32).make(0, 1)")
    assert (done.returncode, done.stderr) == (0, "")
