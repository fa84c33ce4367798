"""`sam2-rt train`: hands its arguments to train/, which imports torch, when it is asked for."""

import typer

FORWARDED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def train(context: typer.Context) -> None:
    """Train nano from nothing, or fine-tune any checkpoint."""
    try:
        from sam2_rt.train.commands import app  # noqa: PLC0415 imports torch
    except ModuleNotFoundError as error:
        raise typer.BadParameter(
            f"training needs {error.name}: pip install 'sam2-rt[train]'"
        ) from error
    app(context.args, prog_name="sam2-rt train")
