"""Where the study is kept: an Optuna journal file against SQLite, by cost and by crash.

    python benchmarks/storage.py [--trials 200] [--url postgresql+psycopg://…]

Cost: milliseconds for what one trial writes (added running, three evaluations, told), and to open
the study with all of them. Crash: a writer is killed (-9) at random moments; does the next one open
the study, and how many told trials are gone? With ``--url`` also, by cost, a database that many
machines share: Optuna's own tables against its journal kept there, an entry a row.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import optuna
from optuna.distributions import FloatDistribution
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import Trial, TrialState, create_trial

from automl.search.journal import repair
from automl.search.shared import Database, SharedLog

KINDS = ("journal", "sqlite")
Turn = Callable[[], AbstractContextManager[object]]


def storage(kind: str, folder: Path) -> BaseStorage:
    path = str(folder / kind)
    if kind == "sqlite":
        return RDBStorage(f"sqlite:///{path}")
    return JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))


def study(kind: str, folder: Path) -> optuna.Study:
    return optuna.create_study(
        storage=storage(kind, folder),
        study_name="s",
        direction="maximize",
        load_if_exists=True,
        sampler=RandomSampler(0),
    )


def write_trial(made: optuna.Study, turn: Turn = nullcontext) -> None:
    with turn():
        made.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params={"x": 0.5},
                distributions={"x": FloatDistribution(0, 1)},
                user_attrs={"candidate": "a"},
            )
        )
        last = made.get_trials(deepcopy=False)[-1]
    for step in (1, 2, 3):
        with turn():
            Trial(made, last._trial_id).report(0.5, step)
    with turn():
        made.tell(last.number, 0.5)


def shared_costs(url: str, trials: int, folder: Path) -> dict[str, float]:
    """Return milliseconds a trial in the database at ``url``, by who keeps it there."""
    log = SharedLog(Database(url), f"s{time.time()}", "a", folder / "mirror")
    with log.turn():
        ours = optuna.create_study(storage=JournalStorage(log), sampler=RandomSampler(0))
    theirs = optuna.create_study(storage=RDBStorage(url), sampler=RandomSampler(0))
    arms: dict[str, Callable[[], None]] = {
        "Optuna's tables": lambda: write_trial(theirs),
        "the journal": lambda: write_trial(ours, log.turn),
    }
    times: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(trials):
        for name, write in arms.items():
            began = time.perf_counter()
            write()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) * 1e3 for name, found in times.items()}


def cost(kind: str, folder: Path, trials: int) -> tuple[float, float]:
    made = study(kind, folder)
    times = []
    for _ in range(trials):
        began = time.perf_counter()
        write_trial(made)
        times.append(time.perf_counter() - began)
    began = time.perf_counter()
    assert len(study(kind, folder).trials) == trials
    return statistics.median(times) * 1e3, (time.perf_counter() - began) * 1e3


def write_for_ever(kind: str, folder: Path) -> None:
    """Write trials, saying each told number, until killed."""
    made = study(kind, folder)
    while True:
        write_trial(made)
        print(len(made.get_trials(deepcopy=False)), flush=True)


def crash(kind: str, rounds: int) -> tuple[int, int]:
    """Return (rounds after which the study could not be used, told trials lost)."""
    broken = lost = 0
    draw = random.Random(1)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            process = subprocess.Popen(
                [sys.executable, __file__, "--writer", kind, str(folder)],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(draw.uniform(0.05, 0.5))
            process.send_signal(signal.SIGKILL)
            said = [int(line) for line in process.stdout.read().split()]
            process.wait()
            if kind == "journal":
                repair(folder / kind)
            try:
                made = study(kind, folder)
                told = sum(t.state.is_finished() for t in made.trials)
                write_trial(made)
            except Exception as error:
                print(f"  {kind}: {type(error).__name__}: {error}", file=sys.stderr)
                broken += 1
                continue
            lost += max(0, (said[-1] if said else 1) - told)
    return broken, lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--url", help="a database, as SQLAlchemy calls it")
    parser.add_argument("--writer", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.writer:
        write_for_ever(options.writer[0], Path(options.writer[1]))
    figures = {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as name:
            figures[kind] = cost(kind, Path(name), options.trials)
        broken, lost = crash(kind, options.rounds)
        trial, opening = figures[kind]
        print(
            f"{kind:8} {trial:8.1f} ms a trial  {opening:8.1f} ms to open {options.trials}  "
            f"kill -9: {broken}/{options.rounds} unusable, {lost} told trials lost"
        )
    ratio = figures["sqlite"][0] / figures["journal"][0]
    print(f"sqlite / journal: {ratio:.1f}x a trial  (pid {os.getpid()})")
    if options.url:
        with tempfile.TemporaryDirectory() as name:
            found = shared_costs(options.url, options.trials, Path(name))
        for kind, each in found.items():
            print(f"in a database, {kind}: {each:.1f} ms a trial")


if __name__ == "__main__":
    main()
