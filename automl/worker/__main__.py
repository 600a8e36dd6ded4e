"""``python -m automl.worker spec.json``: one job in a process of its own, which ends with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from automl.worker import orphan
from automl.worker.run import run


def main(arguments: list[str]) -> int:
    """Run the job whose spec file is the only argument and return the process's exit code."""
    if len(arguments) != 1:
        print("usage: python -m automl.worker SPEC", file=sys.stderr)
        return 2
    spec = Path(arguments[0])
    orphan.watch(spec)
    return run(spec)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Threads of torch's collectives may outlive their group, and a tracker may wait for a server
    # that is gone; the interpreter's own way out would break off or wait with them.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
