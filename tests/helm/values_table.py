"""README.md's table of values: made of the comments in values.yaml. Run it to write the table."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parents[2] / "helm/streamer"
README = CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- end of values -->\n"


@dataclass(frozen=True, slots=True)
class Value:
    key: str
    """Dotted."""
    default: object
    reason: str


def undocumented_keys() -> list[str]:
    """Keys without a comment that lie in no value that has one."""
    reasons = _reasons()
    return [key for key, _ in _leaves(_defaults(), reasons) if key not in reasons]


def values() -> list[Value]:
    """All documented values, in their order in the file."""
    reasons = _reasons()
    leaves = _leaves(_defaults(), reasons)
    return [Value(key, default, reasons.get(key, "")) for key, default in leaves]


def table() -> str:
    """The table in Markdown."""
    lines = ["| value | default | why |\n", "|---|---|---|\n"]
    for value in values():
        default = json.dumps(value.default)
        if len(default) > 60:
            default = "see values.yaml"
        reason = value.reason.replace("|", "\\|")
        lines.append(f"| `{value.key}` | `{default}` | {reason} |\n")
    return "".join(lines)


def written() -> str:
    """README.md with the table as it should be."""
    before, _, rest = README.read_text().partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def _defaults() -> dict[str, object]:
    return yaml.safe_load((CHART / "values.yaml").read_text())


def _reasons() -> dict[str, str]:
    """Dotted key -> its comment, which stands above it; the file is indented by two."""
    reasons: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            comment = [text.removeprefix("# -- ")]
        elif text.startswith("#") and comment:
            comment.append(text.removeprefix("# "))
        elif key := re.match(r"( *)([A-Za-z_][\w./-]*):( |$)", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if comment:
                reasons[".".join(path)] = " ".join(comment)
            comment = []
        else:
            comment = []
    return reasons


def _leaves(
    tree: dict[str, object], reasons: dict[str, str], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """What is documented as one value, or holds nothing."""
    for key, value in tree.items():
        name = prefix + key
        if isinstance(value, dict) and value and name not in reasons:
            yield from _leaves(value, reasons, f"{name}.")
        else:
            yield name, value


if __name__ == "__main__":
    README.write_text(written())
