from sam2_rt import host

host.prepare()  # before any test imports torch
