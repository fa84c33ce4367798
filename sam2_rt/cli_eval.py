"""`sam2-rt eval`: the commands that eval/ has, also run by `python -m sam2_rt.eval`."""

from sam2_rt.eval.commands import app

__all__ = ["app"]
