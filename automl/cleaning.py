"""What of a run folder, and of this user's cache, can go: found, measured, deleted.

Knows what a later run or export still needs and prints nothing. Whoever calls holds the run folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automl import cache, documents, executors, finish
from automl.errors import Problem, RunFolderError
from automl.finish import Finish
from automl.plan import Plan
from automl.rundir import RunDir, bytes_below
from automl.search import history
from automl.search.trial import State, StudyTrial
from automl.search.upkeep import worth_keeping

REMEMBERED = {
    "archives": "of data, unpacked: the next run that needs one unpacks it again",
    "git": "recipes that others extend, from git: the next run fetches them again",
    "hashes": "of files of models, so that these need not be read again",
    "inspections": "what loading a candidate showed",
    "looks": "what files of data were found to hold",
    "media": "files that lay within tables of data: the next run writes them again",
    "screenings": "how candidates compare as frozen encoders",
    "settings": "seconds and memory of candidates on this machine",
}
"""Kind of answer in the cache → what it says."""


@dataclass(frozen=True, slots=True)
class Waste:
    """Files and folders of one kind that can go, and the bytes they take up."""

    kind: str
    meaning: str
    paths: tuple[Path, ...]
    bytes: int


def of_the_run(rundir: RunDir, finished: bool = False) -> tuple[Waste, ...]:
    """Return what can go without changing what the next run, or the next export, comes to.

    ``finished`` adds what only a larger budget would need: trials that wait would begin anew, and
    come to the same. Raises RunFolderError where that is asked of a study without a bundle.
    """
    plan, ended = documents.read(Plan, rundir.plan), finish.read(rundir)
    if finished and ended is None:
        problem = Problem(
            f"{rundir.root}: the study isn't finished",
            hint=f"automl export {rundir.root} scores and exports the best so far",
        )
        raise RunFolderError(problem)
    trials = history.read(rundir.study).trials
    kept = _kept(trials, plan, ended)
    over = [trial for trial in trials if trial.state != "running" or finished]
    waiting = [trial for trial in trials if trial.state == "running" and not finished]
    return (
        _waste("tokens", "encoded rows and features, made again when needed", [rundir.tokens]),
        _waste("jobs", "specs and logs of measuring, scoring and the like", [rundir.jobs]),
        _waste("models", "of trials that can't win any more", _models(rundir, over, kept)),
        _waste(
            "checkpoints",
            "from which no trial goes on",
            [
                *(rundir.trial(trial.number).checkpoints for trial in over),
                *(path for trial in waiting for path in _broken(rundir, trial)),
            ],
        ),
    )


def settle(rundir: RunDir) -> None:
    """Wait until no worker of an earlier run, whose parent was killed, is at work any more."""
    executor = executors.get(documents.read(Plan, rundir.plan).devices.executor)
    for trial in history.read(rundir.study).trials:
        if trial.state == "running":
            executor.settle(rundir.trial(trial.number))


def of_the_cache() -> tuple[Waste, ...]:
    """Return what is remembered across studies, by kind; all of it is found out again."""
    return tuple(
        _waste(kind, REMEMBERED.get(kind, ""), cache.answers(kind)) for kind in cache.kinds()
    )


def delete(waste: Iterable[Waste]) -> None:
    """Delete what was found. Raises RunFolderError naming what can't be deleted."""
    for path in (path for each in waste for path in each.paths):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            where = error.filename or path
            raise RunFolderError(f"{where} can't be deleted: {error.strerror}") from error


def _kept(trials: Sequence[StudyTrial], plan: Plan, ended: Finish | None) -> set[int]:
    """The trials whose models stay: those that may still win, and those the bundle was made from.

    Whichever candidates the plan has just now, and whether or not a trial that waits goes on.
    """
    kept: set[int] = set()
    settled = tuple(replace(each, state=_settled(each)) for each in trials)
    for every in (tuple(trials), settled):
        kept |= worth_keeping(every, plan)
        kept |= worth_keeping(finish.of_the_plan(every, plan), plan)
    if ended is not None:
        kept.add(ended.trial)
        kept |= {number for number, _ in ended.choice.soup.offered} if ended.choice.soup else set()
    return kept


def _settled(trial: StudyTrial) -> State:
    """What a trial is once nothing waits any more."""
    return "pruned" if trial.state == "running" else trial.state


def _models(rundir: RunDir, over: Iterable[StudyTrial], kept: set[int]) -> Iterator[Path]:
    """Models that can't win, and halves of models that a kill has left."""
    for trial in over:
        folder = rundir.trial(trial.number)
        if trial.number not in kept:
            yield folder.best
        if trial.number not in kept or folder.best.exists():
            yield from folder.root.glob(f".{folder.best.name}.*")


def _broken(rundir: RunDir, trial: StudyTrial) -> Iterator[Path]:
    """Checkpoints that were set aside or never completed; the trial goes on from another."""
    folder = rundir.trial(trial.number).checkpoints
    for pattern in ("bad-*", ".step-*"):
        yield from folder.glob(pattern)


def _waste(kind: str, meaning: str, paths: Iterable[Path]) -> Waste:
    there = tuple(path for path in paths if path.exists())
    size = sum(bytes_below(path) if path.is_dir() else os.stat(path).st_size for path in there)
    return Waste(kind, meaning, there, size)
