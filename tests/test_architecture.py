"""The tree is the architecture: who may import whom, how large a room may be, what is bounded."""

import ast
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(chain(*((ROOT / top).rglob("*.py") for top in ("sam2_rt", "streamer", "load"))))
MAX_LINES = 300
MAX_FUNCTION_LINES = 60

# A module's layer is that of its longest matching prefix. Imports fall to a lower layer or stay.
LAYERS = {
    "sam2_rt": 0,
    "sam2_rt.host": 0,
    "sam2_rt.fault": 0,
    "sam2_rt.line": 0,
    "sam2_rt.rle": 1,
    "sam2_rt.model": 1,
    "sam2_rt.tracking": 2,
    "sam2_rt.peer_transformers": 2,
    "sam2_rt.peer_sam2": 2,
    "sam2_rt.data": 3,
    "sam2_rt.tick": 3,
    "sam2_rt.packages": 3,
    "sam2_rt.placement": 3,
    "sam2_rt.graphs": 3,
    "sam2_rt.engine": 3,
    "sam2_rt.remote": 3,
    "sam2_rt.steps": 3,
    "sam2_rt.answers": 3,
    "sam2_rt.bench": 4,
    "sam2_rt.train": 4,
    "sam2_rt.eval": 4,
    "sam2_rt.cli": 5,
    "sam2_rt.cli_bench": 5,
    "sam2_rt.cli_train": 5,
    "sam2_rt.cli_eval": 5,
    "sam2_rt.cli_data": 5,
    "streamer": 6,
    "load": 7,
}
STREAMER_MAY_IMPORT = {
    "sam2_rt",
    "sam2_rt.engine",
    "sam2_rt.line",
    "sam2_rt.host",
    "sam2_rt.remote.engine_process",
    "sam2_rt.remote.remote_engine",
    "sam2_rt.rle",
    "sam2_rt.steps",
    "sam2_rt.tracking.frame",
    "sam2_rt.tracking.prompt",
}
# The demo makes and reads clips; it is a program beside the service, not a part of it.
STREAMER_EXCEPTIONS = {"streamer.demo.demo": {"sam2_rt.data.clip", "sam2_rt.data.ball_clip"}}
LOAD_MAY_IMPORT = ("load", "streamer.client", "sam2_rt.data.ball_clip")  # what viewers send
OWNERS = {
    "aiortc": ("streamer.media", "streamer.rtc", "streamer.client", "load.echo"),
    "aioice": ("streamer.rtc", "load.echo"),
    "fastapi": ("streamer.http",),
    "prometheus_client": ("streamer.telemetry", "streamer.media_workers"),
    "opentelemetry": ("streamer.telemetry.tracing_otel",),
    "torch": ("sam2_rt",),
    "asyncio": ("streamer", "load"),
}
TORCH_FREE = (
    "sam2_rt",
    "sam2_rt.host",
    "sam2_rt.rle",
    "sam2_rt.tracking.prompt",
    "streamer.protocol",
    "streamer.masks.mask_frame",
    "streamer.client",
)


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(file: Path) -> set[str]:
    """Absolute module names that a file imports, at any depth of its code."""
    names: set[str] = set()
    modules = {module_of(f) for f in FILES}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert node.module is not None
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & modules
            names.update(submodules or {node.module})
    return names


def layer_of(module: str) -> int:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        layer = LAYERS.get(".".join(parts[:length]))
        if layer is not None:
            return layer
    raise AssertionError(f"{module} has no layer")


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in {"sam2_rt", "streamer", "load"}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_fall_and_never_rise(file: Path):
    for name in filter(is_ours, imports_of(file)):
        assert layer_of(name) <= layer_of(module_of(file)), f"{module_of(file)} imports {name}"


def test_no_circle_of_imports():
    graph = {module_of(f): set(filter(is_ours, imports_of(f))) for f in FILES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for name in sorted(graph.get(module, ())):
                visit(name, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_the_service_knows_five_modules_of_the_model(file: Path):
    module = module_of(file)
    if module.startswith("streamer"):
        allowed = STREAMER_MAY_IMPORT | STREAMER_EXCEPTIONS.get(module, set())
        assert {n for n in imports_of(file) if n.startswith("sam2_rt")} <= allowed
    if module.startswith("load"):
        ours = {n for n in imports_of(file) if is_ours(n)}
        assert all(n.startswith(LOAD_MAY_IMPORT) for n in ours)


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_third_parties_have_owners(file: Path):
    module = module_of(file)
    for name in imports_of(file):
        owners = OWNERS.get(name.partition(".")[0])
        if owners is not None:
            assert module.startswith(owners), f"{module} imports {name}, which belongs to {owners}"


@pytest.mark.parametrize("module", TORCH_FREE)
def test_importing_it_does_not_import_torch(module: str):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_rooms_are_small(file: Path):
    assert len(file.read_text().splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_whatever_grows_has_a_bound(file: Path):
    for call in re.findall(
        r"\b(?:asyncio\.|queue\.)?(?:Simple)?Queue(?:\[\w+\])?\(([^)]*)\)", file.read_text()
    ):
        assert "maxsize" in call or call.strip("0 "), f"{file}: an unbounded queue"
    for call in re.findall(r"\bdeque(?:\[[^\]]*\])?\(([^)]*)\)", file.read_text()):
        assert "maxlen" in call, f"{file}: a deque without maxlen"
