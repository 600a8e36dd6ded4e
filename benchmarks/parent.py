"""Cold start of the commands, and the parent's memory over a whole run.

    python benchmarks/parent.py [--rounds 5] [--no-run]

Start-up is wall time and CPU time of fresh processes, beside that of an empty Python. Memory is
the highest resident set of the process that is `automl run`, its workers not counted, sampled ten
times a second over the quickstart.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "quickstart" / "recipe.yaml"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "automl --help": ["-m", "automl", "--help"],
    "automl check": ["-m", "automl", "check", str(RECIPE)],
    "automl explain": ["-m", "automl", "explain", str(RECIPE)],
    "import automl": ["-c", "import automl"],
}


def timed(command: list[str]) -> tuple[float, float]:
    """Return wall and CPU seconds of one fresh process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak_memory(folder: str) -> tuple[int, int]:
    """Run the quickstart; return the parent's peak bytes until the finish, and in all."""
    command = [sys.executable, "-m", "automl", "run", str(RECIPE), "--run-dir", folder]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        watched, search, total = psutil.Process(process.pid), 0, 0
        while process.poll() is None:
            try:
                now = watched.memory_info().rss
            except psutil.NoSuchProcess:
                break
            total = max(total, now)
            if not (Path(folder) / "cache" / "jobs" / "score").exists():
                search = max(search, now)
            time.sleep(0.1)
    return search, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-run", action="store_true", help="only the cold start")
    options = parser.parse_args()
    for name, command in COMMANDS.items():
        timed(command)
        times = [timed(command) for _ in range(options.rounds)]
        wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:16} {wall:6.2f} s wall  {cpu:6.2f} s CPU")
    if not options.no_run:
        with tempfile.TemporaryDirectory() as folder:
            search, total = peak_memory(folder)
        print(
            f"parent's memory: {search / 1e6:.0f} MB until the finish, {total / 1e6:.0f} MB in all"
        )


if __name__ == "__main__":
    main()
