"""Kill `automl run` at random moments, again and again: does the same command always end the same?

    python benchmarks/kill.py [--kills 100] [--seed 0] [--database URL]

One study of a tiny model is run to its end undisturbed. Then the same study is begun in a fresh
folder, killed with SIGKILL after a random time (the parent, one of the other processes, or all of
them), and the same command is given again, until it ends; and so on in other folders until there
have been so many kills. Every fourth kill waits for a checkpoint or a model being written or a
request being made, every fourth for one of the short stages before and after the trials.

With ``--database`` the studies are kept there (an empty PostgreSQL database) as several machines
would keep them. Each entry is then held up for a while before it is committed, and every third kill
waits for such a moment.

What must hold is checked after every kill and every end: no trial that had ended is lost or told
otherwise; no process is left after a grace; no trial trains anew what is longer ago than a
checkpoint's interval; the configurations, their values as far as both went, and the winner are
those of the undisturbed study.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

MODEL = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "tiny-bert"
MARK = "AUTOML_KILLED_BENCHMARK"
"""A variable in the environment of everything that a run starts: finds what is left of it."""
GRACE_SECONDS = 20.0
"""What a worker may take to notice that its parent is gone, and to save."""
RUN_SECONDS = 300.0
CHECKPOINT_SECONDS = 70.0
"""A checkpoint is due at the first evaluation a minute after the last one."""
ENDS = ("paused", "saved", "finished", "stopped")
RECIPE = """\
recipe: 1
name: {name}
task: text-classification
data: {{train: rows.csv, validation: 0.2, test: 0.2}}
models: [{{path: tiny}}]
search:
  seed: 3
  evaluations_per_epoch: 2
  stop: never
  space: {{epochs: {epochs}, batch_size: 8, learning_rate: {{low: 1e-3, high: 1e-2, log: true}}}}
budget: {{trials: {trials}}}
devices: {{threads: 1, precision: fp32}}
"""
SHARED = """\
storage: {url}
artifacts: artifacts
"""
HELD_UP = """\
CREATE OR REPLACE FUNCTION held_up() RETURNS trigger AS
$$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER held_up BEFORE INSERT ON automl_entry
FOR EACH ROW EXECUTE FUNCTION held_up();
"""
COMMIT = "commit"
WORDS = {"rain": ("rain", "storm", "wet", "cloud"), "sun": ("sun", "warm", "dry", "bright")}
MOMENTS = ("trials/*/checkpoint/.*", "trials/*/.best*", ".bundle*", "trials/*/request")
"""Files that are there while something is being written."""
STAGES = ("measure", "score", "export")


@dataclass
class Study:
    """What a run folder says of its trials, as far as it must not change."""

    trials: dict[int, dict[str, Any]]
    winner: Any = None

    def ended(self) -> dict[int, dict[str, Any]]:
        """Return the trials that are over."""
        return {n: t for n, t in self.trials.items() if t["state"] != "running"}


@dataclass
class Count:
    """What has happened so far."""

    kills: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    """Kills of a parent that was writing to the database."""
    ends: int = 0
    wrong: list[str] = field(default_factory=list)
    orphan_seconds: list[float] = field(default_factory=list)
    redone: list[float] = field(default_factory=list)
    longer: list[str] = field(default_factory=list)
    """Trials that the clock let train for longer, or not as long, as undisturbed."""


@dataclass(frozen=True)
class Bench:
    """A folder with recipe, data and model, and how `automl` is called there."""

    work: Path
    environment: dict[str, str]
    recipe: str
    """With the study's name left open."""
    database: Any = None
    """SQLAlchemy's engine, where studies are kept in one."""

    def start(self, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
        """Start the command; return it and the mark that all its processes bear."""
        mark = uuid.uuid4().hex
        recipe = self.work / f"{folder.name}.yaml"
        recipe.write_text(self.recipe.replace("{name}", folder.name))
        with (self.work / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "automl", "run", str(recipe), "--run-dir", str(folder)],
                cwd=self.work,
                env={**self.environment, MARK: mark},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return process, mark

    def hold_up(self) -> None:
        """Make each entry that is written from now on take a while."""
        if self.database is not None:
            with self.database.begin() as connection:
                connection.exec_driver_sql(HELD_UP)

    def is_committing(self) -> bool:
        """Return whether some process is in the middle of writing to the database."""
        with self.database.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state = 'active' AND query LIKE 'INSERT%%'"
            )
            return bool(found.scalar())


def prepare(work: Path, epochs: int, trials: int, url: str | None) -> Bench:
    """Write data, model and recipe into ``work``."""
    shutil.copytree(MODEL, work / "tiny")
    dice = random.Random(1)
    lines = ["text,label"]
    for number in range(400):
        label = dice.choice(sorted(WORDS))
        word = dice.choice(WORDS[dice.choice(sorted(WORDS))] if number % 9 == 0 else WORDS[label])
        lines.append(f'"a {word} day in town {number % 37}, hour {number}",{label}')
    (work / "rows.csv").write_text("\n".join(lines) + "\n")
    recipe = RECIPE.format(name="{name}", epochs=epochs, trials=trials)
    engine = None
    if url is not None:
        from sqlalchemy import create_engine

        recipe += SHARED.format(url="${env:KILLED_STORAGE}")
        engine = create_engine(url)
    return Bench(
        work,
        {
            **os.environ,
            "XDG_CACHE_HOME": str(work / "cache"),
            "AUTOML_EXPERIENCE": str(work / "experience"),
            "HF_HUB_OFFLINE": "1",
            "NO_COLOR": "1",
            "KILLED_STORAGE": url or "",
        },
        recipe,
        engine,
    )


def read(folder: Path) -> Study:
    """Return the study as its journal has it now."""
    from automl import documents
    from automl.plan import Plan
    from automl.search.study import Study as Opened

    if not (folder / "study.journal").exists() or not (folder / "plan.json").exists():
        return Study({})
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "study.journal"
        shutil.copy(folder / "study.journal", copy)
        opened = Opened(copy, documents.read(Plan, folder / "plan.json"))
        trials = {
            trial.number: {
                "candidate": trial.configuration.candidate,
                "values": dict(trial.configuration.hyperparameters),
                "seed": trial.seed,
                "state": trial.state,
                "evaluations": [(each.number, each.value) for each in trial.evaluations],
            }
            for trial in opened.trials
        }
        best = opened.best()
    return Study(trials, None if best is None else best.number)


def left_over(mark: str) -> list[psutil.Process]:
    """Return the living processes that the marked run started."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def strike(process: subprocess.Popen[bytes], mark: str, whom: str, dice: random.Random) -> bool:
    """Kill the parent, a trial's process, or everything; return whether there was one to kill."""
    every = left_over(mark)
    others = [each for each in every if each.pid != process.pid]
    if whom == "worker":
        if not others:
            return False
        victims = [dice.choice(others)]
    else:
        victims = every if whom == "all" else [p for p in every if p.pid == process.pid]
    for victim in victims:
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            continue
    return bool(victims)


def stage(folder: Path) -> str:
    """Return what the run was doing when it last said something."""
    try:
        lines = (folder / "events.jsonl").read_text().splitlines()
    except FileNotFoundError:
        return "setting up"
    for line in reversed(lines):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        return str(event.get("stage") or event.get("type"))
    return "setting up"


def aim(dice: random.Random, length: float, bench: Bench) -> tuple[float, str]:
    """Draw after how many seconds to strike, and what to wait for then."""
    if bench.database is not None and dice.random() < 1 / 3:
        return dice.uniform(0.0, 0.7 * length), COMMIT
    kind = dice.random()
    if kind < 1 / 4:
        return dice.uniform(0.0, 0.7 * length), dice.choice(MOMENTS)
    if kind < 1 / 2:
        return dice.uniform(0.0, 1.0), dice.choice(STAGES)
    return dice.uniform(0.0, 0.7 * length), ""


def wait(
    process: subprocess.Popen[bytes], folder: Path, bench: Bench, seconds: float, what: str
) -> bool:
    """Wait so long and for a stage or a file, if any; return whether the run still lives."""
    if what in STAGES:
        while process.poll() is None and stage(folder) != what:
            time.sleep(0.1)
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.005)
    until = time.monotonic() + 3.0
    while what in MOMENTS and time.monotonic() < until and not any(folder.glob(what)):
        if process.poll() is not None:
            break
        time.sleep(0.002)
    until = time.monotonic() + 5.0
    while what == COMMIT and time.monotonic() < until and not bench.is_committing():
        if process.poll() is not None:
            break
    return process.poll() is None


def check_kept(before: Study, after: Study, count: Count, when: str) -> None:
    """Note every trial that had ended and is not as it was."""
    for number, trial in before.ended().items():
        if after.trials.get(number) != trial:
            count.wrong.append(f"{when}: trial {number} was {trial}, is {after.trials.get(number)}")


def check_redone(folder: Path, count: Count) -> None:
    """Note every attempt that lost more than a checkpoint's interval of training."""
    for path in sorted(folder.glob("trials/*/metrics.jsonl")):
        kept = last = None
        for line in path.read_text().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["type"] == "started" and kept is not None and last["type"] not in ENDS:
                count.redone.append(last["time"] - kept)
                if count.redone[-1] > CHECKPOINT_SECONDS:
                    count.wrong.append(f"{path.parent.name}: {count.redone[-1]:.0f} s made again")
            if event["type"] in ("started", "saved"):
                kept = event["time"]
            last = event


def await_death(mark: str, count: Count) -> None:
    """Wait until nothing of a run whose parent was killed is left, or note what is."""
    began = time.monotonic()
    while alive := left_over(mark):
        if time.monotonic() - began > GRACE_SECONDS:
            count.wrong.append(f"left after {GRACE_SECONDS:.0f} s: {[p.cmdline() for p in alive]}")
            for each in alive:
                each.kill()
            break
        time.sleep(0.05)
    count.orphan_seconds.append(time.monotonic() - began)


def same(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Return whether two trials are one configuration with the same values, as far as both went.

    How far that is depends on the clock: a trial at a rung goes on at once where a new process
    would take longer to start than the trial to come to its next rung, as it does once the server
    that processes are forked from was killed.
    """
    both = min(len(mine["evaluations"]), len(theirs["evaluations"]))
    names = ("candidate", "values", "seed")
    return all(mine[name] == theirs[name] for name in names) and (
        mine["evaluations"][:both] == theirs["evaluations"][:both]
    )


def one_study(
    bench: Bench,
    folder: Path,
    reference: Study,
    length: float,
    options: argparse.Namespace,
    dice: random.Random,
    count: Count,
) -> None:
    """Run a study to its end, killed on the way until there have been enough kills."""
    known = Study({})
    while True:
        process, mark = bench.start(folder)
        while sum(count.kills.values()) < options.kills and wait(
            process, folder, bench, *aim(dice, length, bench)
        ):
            whom = dice.choice(("parent", "worker", "all"))
            at = stage(folder)
            committing = bench.database is not None and bench.is_committing()
            if strike(process, mark, whom, dice):
                count.kills[whom] += 1
                count.stages[at] += 1
                count.commits += committing and whom != "worker"
                print(f"\r{sum(count.kills.values())} kills, {count.ends} ends", end="", flush=True)
                if whom != "worker":
                    break
        code = process.wait(RUN_SECONDS)
        await_death(mark, count)
        now = read(folder)
        check_kept(known, now, count, folder.name)
        known = now
        if code >= 0:
            break
    count.ends += 1
    if code != 0:
        count.wrong.append(f"{folder.name}: exit code {code}")
    check_redone(folder, count)
    for number in sorted({*reference.trials, *known.trials}):
        mine, theirs = known.trials.get(number), reference.trials.get(number)
        if mine is None or theirs is None or not same(mine, theirs):
            count.wrong.append(f"{folder.name}: trial {number} is {mine}, undisturbed {theirs}")
        elif mine != theirs:
            count.longer.append(f"{folder.name}: trial {number}")
    if known.winner != reference.winner:
        count.wrong.append(f"{folder.name}: winner {known.winner}, not {reference.winner}")
    if not (folder / "bundle" / "model.safetensors").exists():
        count.wrong.append(f"{folder.name}: no bundle")


def main() -> int:
    """Print what happened; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--database", metavar="URL")
    options = parser.parse_args()
    dice, count = random.Random(options.seed), Count()
    work = Path(tempfile.mkdtemp(prefix="automl-kill-"))
    bench = prepare(work, options.epochs, options.trials, options.database)
    for warm in ("warm", "undisturbed"):
        began = time.monotonic()
        process, _ = bench.start(work / warm)
        if process.wait(RUN_SECONDS) != 0:
            raise SystemExit((work / "log.txt").read_text())
        length = time.monotonic() - began
    bench.hold_up()
    reference = read(work / "undisturbed")
    print(f"undisturbed: {len(reference.trials)} trials in {length:.1f} s")
    rounds = 0
    while sum(count.kills.values()) < options.kills:
        one_study(bench, work / f"round-{rounds}", reference, length, options, dice, count)
        shutil.rmtree(work / f"round-{rounds}") if not count.wrong else None
        rounds += 1
    print(f"\n{dict(count.kills)} killed, {count.ends} studies came to their end")
    print("last said before: " + ", ".join(f"{k} {n}" for k, n in count.stages.most_common()))
    if bench.database is not None:
        print(f"in the middle of a commit: {count.commits}")
    print(f"everything was gone at most {max(count.orphan_seconds):.1f} s after its parent")
    print(f"made again: at most {max(count.redone, default=0):.1f} s of a trial")
    print(f"trained for longer, or shorter, than undisturbed: {len(count.longer)} trials")
    print(f"wrong: {len(count.wrong)}")
    for each in count.wrong:
        print(f"  {each}")
    if not count.wrong:
        shutil.rmtree(work)
    return 1 if count.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
