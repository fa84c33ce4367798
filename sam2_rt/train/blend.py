"""Blend: the weighted mean of two runs' weights (arXiv 2203.05482), where one began at the other.

python -m sam2_rt.train.blend first.safetensors second.safetensors out.safetensors --share 0.75
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def blend(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float, whole: tuple[str, ...]
) -> dict[str, Tensor]:
    """share: of the second, 0..1; tensors with a part of `whole` in their name are its own.

    Raises ValueError for weights of two different models.
    """
    shapes = [{name: x.shape for name, x in weights.items()} for weights in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError("the two files hold different models")
    return {
        name: theirs
        if any(part in name for part in whole) or not theirs.is_floating_point()
        else torch.lerp(first[name].float(), theirs.float(), share).to(theirs.dtype).contiguous()
        for name, theirs in second.items()
    }


@app.command()
def main(
    first: Path,
    second: Path,
    out: Path,
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the second.")] = 0.5,
    whole: Annotated[
        list[str] | None, typer.Option(help="Part of a name: such tensors are the second's.")
    ] = None,
) -> None:
    """Write the weighted mean of two files of weights."""
    try:
        blended = blend(load_file(first), load_file(second), share, tuple(whole or ()))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    save_file(blended, out)


if __name__ == "__main__":
    app()
