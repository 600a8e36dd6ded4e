"""How soon a trial trains: a fresh process, one forked from a preloaded server, a reused worker.

    python benchmarks/start.py [--rounds 5]

Each arm is asked for the same short trial of the quickstart, in turn; the tokens are cached, the
server and the reused worker have been up for one trial before. Seconds are wall time from asking
until the trial says that it begins its first step.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from trial import prepare

from automl import events, processes
from automl.events import Started
from automl.rundir import TrialDir


def asked(folder: Path, spec: Path, start: Callable[[TrialDir], object]) -> float:
    """Ask for the trial, wait for its end, and return the seconds until it began to train."""
    trial = TrialDir(folder)
    trial.root.mkdir()
    trial.spec.write_bytes(spec.read_bytes())
    began = time.time()
    start(trial)
    started = [e for e in events.Tail(trial.metrics).read() if isinstance(e, Started)]
    if not started:
        raise SystemExit(trial.log.read_text())
    return started[0].time - began


def fresh(trial: TrialDir) -> None:
    """Run it in a process that starts from nothing."""
    order = _order(trial)
    _check(trial, processes.run_command(processes.command(order.spec), order).wait())


def forked(trial: TrialDir) -> None:
    """Run it in a process that the server forks."""
    _check(trial, processes.start(_order(trial)).wait())


def reused(trial: TrialDir) -> None:
    """Run it in this process, as the inline executor does."""
    from automl.worker.run import run

    _check(trial, run(trial.spec))


def _order(trial: TrialDir) -> processes.Order:
    return processes.Order(trial.spec, trial.log, processes.environment(1, ()))


def _check(trial: TrialDir, code: int) -> None:
    if code != 0:
        raise SystemExit(processes.tail(trial.log) or "the trial failed")


ARMS = {"fresh": fresh, "forked": forked, "reused": reused}


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each arm, the first round (not shown) left out."""
    found: dict[str, list[float]] = {name: [] for name in ARMS}
    with tempfile.TemporaryDirectory() as name:
        spec = prepare(Path(name), 1, "fp32")
        with processes.preloaded():
            for number in range(rounds + 1):
                for arm, start in ARMS.items():
                    seconds = asked(Path(name) / f"{arm}-{number}", spec, start)
                    if number:
                        found[arm].append(seconds)
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    found = measure(parser.parse_args().rounds)
    fresh = statistics.median(found["fresh"])
    print("| arm | seconds until it trains, median | least | most | of fresh |")
    print("|---|--:|--:|--:|--:|")
    for arm, seconds in found.items():
        middle = statistics.median(seconds)
        print(
            f"| {arm} | {middle:.2f} | {min(seconds):.2f} | {max(seconds):.2f} "
            f"| {middle / fresh:.2f} |"
        )


if __name__ == "__main__":
    main()
