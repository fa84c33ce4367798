"""`python -m sam2_rt.eval`."""

from sam2_rt.eval.commands import app

app(prog_name="python -m sam2_rt.eval")
