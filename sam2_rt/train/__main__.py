"""`python -m sam2_rt.train`: the same as `sam2-rt train`."""

from sam2_rt import host

if __name__ == "__main__":
    host.prepare()  # before torch is imported

    from sam2_rt.train.commands import app

    app()
