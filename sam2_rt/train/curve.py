"""The curve of learning with what was evaluated on the way: J&F by step, beside the loss.

python -m sam2_rt.train.curve out/run --results out/eval/results.jsonl --out curve.png

Evaluation files a line for each run of it, with the step of the weights: train with --keep-weights,
then run `sam2-rt eval vos` on each of the files weights-STEP.safetensors.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sam2_rt.train.log import Line, read
from sam2_rt.train.plot import Points, draw

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def read_points(files: list[Path], number: str) -> Mapping[str, Points]:
    """Suite -> (step, value) in the order of steps; of a step the newest line counts.

    Lines of weights that tell no step, and those without this number, are passed over. Raises
    ValueError if none is left, or for a line that is no JSON.
    """
    found: dict[str, dict[int, float]] = {}
    for file in files:
        for text in file.read_text().splitlines():
            line = json.loads(text)
            step, value = line.get("step"), line["numbers"].get(number)
            if step is not None and value is not None:
                found.setdefault(line["suite"], {})[step] = value
    if not found:
        names = ", ".join(map(str, files))
        raise ValueError(f"no line of {names} has both a step and {number}")
    return {suite: sorted(points.items()) for suite, points in found.items()}


def _read_log(run: Path) -> list[Line]:
    lines = read(run / "log.jsonl")
    if not lines:
        raise ValueError(f"{run} holds no log.jsonl")
    return lines


@app.command()
def main(
    run: Annotated[Path, typer.Argument(help="Folder of the run, whose log has the loss.")],
    results: Annotated[list[Path], typer.Option(help="results.jsonl of evaluations; repeatable.")],
    out: Annotated[Path, typer.Option(help="The picture, a PNG.")] = Path("out/curve.png"),
    number: Annotated[str, typer.Option(help="Of those that an evaluation files.")] = "J&F",
) -> None:
    """Draw loss, validation and evaluations of a run over its steps."""
    try:
        points = read_points(results, number)
        lines = _read_log(run)
        out.parent.mkdir(parents=True, exist_ok=True)
        draw(lines, out, {f"{number}, {suite}": found for suite, found in points.items()})
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"{out}: {sum(map(len, points.values()))} evaluations")


if __name__ == "__main__":
    app()
