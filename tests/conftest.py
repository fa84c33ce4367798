import os

# Torch's threads spin while they wait. Beside anything else that runs (a browser, a codec, another
# test) two spinning threads on two cores cost ten times the work itself; see ARCHITECTURE.md.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
