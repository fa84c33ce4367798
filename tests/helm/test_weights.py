"""Where weights come from: what the init container fetches the service finds; image volumes."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from rendered import CHART, Object, container_of, helm_python, pod_of, rendered, shape
from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import read_checkpoint
from sam2_rt.model.config import ModelConfig
from sam2_rt.model.sam2 import SAM2
from seeded import SMALL_HIERA

FETCHED = "gpu-keda"
CONFIG = ModelConfig(SMALL_HIERA, image_size=64, dim=64, memory_layers=1, feedforward_dim=64)
INIT = """
import sys
from dataclasses import replace
from sam2_rt.cli import app
from sam2_rt.model import zoo
from sam2_rt.model.config import ModelConfig
from seeded import SMALL_HIERA

small = ModelConfig(SMALL_HIERA, image_size=64, dim=64, memory_layers=1, feedforward_dim=64)
zoo.MODELS[sys.argv[-1]] = replace(zoo.MODELS[sys.argv[-1]], config=small)
app(sys.argv[1:])
"""
"""The real command and the real ways, for a model of a few kilobytes under the real name."""
FIND = """
import sys
from sam2_rt.model.download import Source
print(Source(*sys.argv[1:]).find())
"""
"""What zoo.load() asks, without torch's seconds."""


def ran(code: str, *arguments: str, **variables: str) -> str:
    tests = Path(__file__).parents[1]
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tests), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, env=kept | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """A hub on loopback with one file; its address."""
    torch.manual_seed(1)
    torch.save({"model": SAM2(CONFIG).state_dict()}, tmp_path / "weights.pt")
    body = (tmp_path / "weights.pt").read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("ETag", '"one"')
            self.send_header("X-Repo-Commit", "c" * 40)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def plain(container: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


def test_what_the_init_container_fetches_the_service_finds(tmp_path: Path, hub: str):
    """/cache is the volume that both mount; the image's HOME is /tmp, which each has for itself."""
    (init,) = pod_of(rendered(FETCHED))["initContainers"]
    service = container_of(rendered(FETCHED))
    for container in (init, service):
        assert "/cache" in {mount["mountPath"] for mount in container["volumeMounts"]}
    program, *arguments = init["command"]
    assert program == "sam2-rt"

    def here(variables: dict[str, str], home: str) -> dict[str, str]:
        moved = {k: v.replace("/cache", f"{tmp_path}/cache") for k, v in variables.items()}
        return moved | {"HOME": str(tmp_path / home)}

    ran(INIT, *arguments, **here(plain(init), "of-init"), HF_ENDPOINT=hub)
    source = zoo.find(plain(service)["STREAMER_MODEL"]).source
    cache = {"XDG_CACHE_HOME": plain(service)["XDG_CACHE_HOME"]}
    found = ran(FIND, source.repository, source.folder, source.file, **here(cache, "of-service"))
    found = found.strip()
    read_checkpoint(Path(found), CONFIG, init["command"][-1])
    assert Path(found).is_relative_to(tmp_path / "cache")
    assert not (tmp_path / "of-init").exists()


@pytest.mark.parametrize("version", ["v1.31.0", "v1.34.2"])
def test_the_notes_warn_where_an_image_volume_has_to_be_switched_on(version: str, tmp_path: Path):
    assert "feature gate ImageVolume" in notes_at(version, tmp_path)


def test_the_notes_say_nothing_where_it_is_on_by_default(tmp_path: Path):
    assert "feature gate ImageVolume" not in notes_at("v1.35.0", tmp_path)


def test_an_image_volume_is_refused_where_kubernetes_has_none(tmp_path: Path):
    with pytest.raises(
        helm_python.HelmRenderError, match=r"needs Kubernetes 1\.31, this is v1\.30\.9"
    ):
        notes_at("v1.30.9", tmp_path)


def notes_at(version: str, folder: Path) -> str:
    """Of a copy of the chart that takes this for the cluster's version, which render cannot say."""
    for path in CHART.rglob("*"):
        if path.is_file():
            text = path.read_text().replace(".Capabilities.KubeVersion.Version", f'"{version}"')
            copy = folder / "streamer" / path.relative_to(CHART)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)
    with helm_python.Chart.load(folder / "streamer") as chart:
        texts = chart.render(shape("gpu-mig"), name="demo", namespace="masks")
    return texts["streamer/templates/NOTES.txt"]
