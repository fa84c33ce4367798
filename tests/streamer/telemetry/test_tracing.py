import ast
from pathlib import Path

import pytest

import streamer
from streamer.config import Settings
from streamer.telemetry import tracing
from streamer.telemetry.tracing import NoTelemetry, open_tracer

CODE = Path(streamer.__file__).parent


def imports_at_once(file: Path) -> set[str]:
    """Modules that are imported with the file: not those within functions."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return found


def test_without_traces_nothing_that_makes_them_is_imported():
    """FastAPI imports OpenTelemetry's interface by itself; its SDK and exporter are ours."""
    assert Settings().trace_sample == 0
    assert open_tracer(0.0) is None
    wanting = {file.name for file in CODE.rglob("*.py") if "tracing_otel" in file.read_text()}
    assert wanting == {"tracing.py"}
    for file in CODE.rglob("*.py"):
        if file.name != "tracing_otel.py":
            assert not any("opentelemetry" in name for name in imports_at_once(file)), file
    folder = CODE / "telemetry"
    assert "streamer.telemetry.tracing_otel" not in imports_at_once(folder / "tracing.py")
    sdk = {name for name in imports_at_once(folder / "tracing_otel.py") if ".sdk." in name}
    assert sdk, "or this would see nothing"


def test_what_is_missing_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tracing, "find_spec", lambda _name: None)
    with pytest.raises(NoTelemetry, match=r"pip install 'sam2-rt\[otel\]'"):
        open_tracer(0.5)
