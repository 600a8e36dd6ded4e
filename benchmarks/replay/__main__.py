"""Replay of LCBench's learning curves: the project's scheduler and study on a simulated clock.

    python -m benchmarks.replay OUT [--arms ours,random] [--tasks tuning|judging|ID,ID] [--seeds 10]

Needs onnxruntime, and the surrogate in AUTOML_SHARED/replay/lcbench (default ../shared). Writes
OUT/runs.jsonl (runs found there are not made again), OUT/results.md and OUT/anytime.png.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray

from benchmarks.replay import plot
from benchmarks.replay.arms import ARMS
from benchmarks.replay.curves import TUNING, Surrogate
from benchmarks.replay.figures import Figures, figures, table
from benchmarks.replay.reference import Reference, reference
from benchmarks.replay.runs import Run, Setting, replay

os.environ.setdefault("OMP_NUM_THREADS", "1")


@cache
def _surrogate() -> Surrogate:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return Surrogate()


@cache
def _reference(tasks: tuple[str, ...], folder: Path) -> Reference:
    return reference(_surrogate(), tasks, folder)


def tasks_of(wish: str) -> tuple[str, ...]:
    """Return the tasks that ``--tasks`` names."""
    known = _surrogate().tasks
    if wish == "tuning":
        return tuple(task for task in known if task in TUNING)
    if wish == "judging":
        return tuple(task for task in known if task not in TUNING)
    return tuple(wish.split(","))


def settings(options: argparse.Namespace) -> Iterator[Setting]:
    """Yield what is to be run; what never resumes is run at one resume cost only."""
    arms = [ARMS[name] for name in options.arms]
    cross = itertools.product(range(options.seeds), options.workers, options.resume)
    for (seed, workers, resume), arm in itertools.product(cross, arms):
        if arm.everywhere or (workers, resume) == (options.workers[0], options.resume[-1]):
            for task in options.tasks:
                yield _shared(Setting(arm.name, task, seed, workers, resume, options.units))


def _shared(setting: Setting) -> Setting:
    arm = ARMS[setting.arm]
    resumes = arm.by == "automl" and arm.strategy == "promotion"
    return setting if resumes else replace(setting, resume=0.0)


def perform(setting: Setting, folder: Path) -> Run:
    """Make one run, in a process of its own or in this one."""
    starts: Sequence[NDArray[np.float64]] = ()
    arm = ARMS[setting.arm]
    if arm.starts != "none":
        # Judging tasks learn from the tuning tasks, these from each other.
        taught = _reference(tuple(t for t in _surrogate().tasks if t in TUNING), folder)
        make = taught.portfolio if arm.starts == "portfolio" else taught.worst
        starts = list(make(setting.task, tuple(taught.values)))
    return replay(setting, _surrogate(), starts)


def read(path: Path) -> dict[Setting, Run]:
    """Return the runs made so far."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        fields = json.loads(line)
        setting = Setting(**fields.pop("setting"))
        times, values = tuple(fields.pop("times")), tuple(fields.pop("values"))
        found[setting] = Run(setting, times, values, **fields)
    return found


def make(options: argparse.Namespace) -> dict[Setting, Run]:
    """Make the runs that are missing and return all that were asked for."""
    path = options.out / "runs.jsonl"
    found = read(path)
    wanted = list(dict.fromkeys(settings(options)))
    missing = [setting for setting in wanted if setting not in found]
    began = time.monotonic()
    with ProcessPoolExecutor(options.processes) as pool, path.open("a") as stream:
        jobs = [pool.submit(perform, setting, options.out) for setting in missing]
        for count, job in enumerate(as_completed(jobs), 1):
            run = job.result()
            found[run.setting] = run
            stream.write(json.dumps(asdict(run)) + "\n")
            if count % 100 == 0:
                print(
                    f"{count} of {len(missing)} runs, {time.monotonic() - began:.0f} s", flush=True
                )
    print(f"{len(missing)} runs in {time.monotonic() - began:.0f} s")
    return {setting: found[setting] for setting in wanted}


def panels(options: argparse.Namespace, runs: dict[Setting, Run]) -> dict[str, Figures]:
    """Return the figures by setting, each titled in words."""
    known = _reference(options.tasks, options.out)
    ceilings = {
        task: max(max(r.values) for s, r in runs.items() if s.task == task and r.values)
        for task in options.tasks
    }
    found = {}
    for workers, resume in itertools.product(options.workers, options.resume):
        chosen = [
            run
            for setting, run in runs.items()
            if setting.workers == workers and setting.resume in (0.0, resume)
        ]
        title = f"{workers} worker{'s' * (workers > 1)}, a resume costs {resume:.0%}"
        found[title] = figures(chosen, known, ceilings)
    return found


def arguments() -> argparse.Namespace:
    """Return the command line, checked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--tasks", default="tuning")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--resume", type=float, nargs="+", default=[0.01, 0.1])
    parser.add_argument("--units", type=float, default=12.0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.arms = options.arms.split(",")
    if unknown := [arm for arm in options.arms if arm not in ARMS]:
        parser.error(f"unknown arm {unknown[0]}; known: {', '.join(ARMS)}")
    options.tasks = tasks_of(options.tasks)
    return options


def main() -> None:
    options = arguments()
    _reference(options.tasks, options.out)
    _reference(tuple(t for t in _surrogate().tasks if t in TUNING), options.out)
    found = panels(options, make(options))
    text = "\n\n".join(f"### {title}\n\n{table(f, options.arms)}" for title, f in found.items())
    (options.out / "results.md").write_text(text + "\n")
    print(text)
    shown = [arm for arm in options.arms if ARMS[arm].everywhere]
    plot.draw(found, shown, options.out / "anytime.png")


if __name__ == "__main__":
    main()
