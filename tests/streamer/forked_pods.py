"""Several services in processes of their own for the price of one import: this one forks them.

python forked_pods.py '[{"STREAMER_PORT": "8081"}, ...]': one service for each environment. It says
"pid N" for each as it begins and "exit N STATUS" as it ends, and ends after the last.
"""

import json
import os
import sys


def main() -> int:
    from sam2_rt import host  # noqa: PLC0415

    host.prepare()
    import sam2_rt.engine  # noqa: F401, PLC0415 (the seconds that are spent once)
    import streamer.server  # noqa: F401, PLC0415
    from streamer.cli import app  # noqa: PLC0415

    for environment in json.loads(sys.argv[1]):
        pid = os.fork()
        if pid == 0:
            os.environ.update(environment)
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            app(["serve"])
        tell(f"pid {pid}")
    for _ in json.loads(sys.argv[1]):
        pid, status = os.wait()
        tell(f"exit {pid} {os.waitstatus_to_exitcode(status)}")
    return 0


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
